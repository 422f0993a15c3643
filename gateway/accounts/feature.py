"""Puts accounts together."""

from gateway.accounts.cutting import Cutter
from gateway.features import Feature, Ground


def feature(ground: Ground) -> Feature:
    cutter = Cutter(ground.under_way, ground.keys)
    ground.principals.on_change(cutter.hear)
    return Feature(runs=[cutter.run])
