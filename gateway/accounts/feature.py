"""Puts accounts together."""

from gateway.accounts import endpoints_keys, endpoints_registration, endpoints_users
from gateway.accounts.cutting import Cutter
from gateway.accounts.passwords import Passwords
from gateway.accounts.registration import Registration
from gateway.accounts.schema import OPENAPI
from gateway.accounts.store import PeopleStore
from gateway.accounts.store_passwords import PasswordStore
from gateway.accounts.store_rates import RateStore
from gateway.accounts.store_switches import SwitchStore
from gateway.features import Feature, Ground


def feature(ground: Ground) -> Feature:
    auth, keys, engine = ground.principals, ground.keys, ground.engine
    cutter, switches = Cutter(ground.under_way, keys), SwitchStore(engine)
    auth.on_change(cutter.hear)
    registration = Registration(
        keys, switches, PasswordStore(engine), RateStore(engine), Passwords()
    )
    trusted = ground.settings.trusted_proxies
    return Feature(
        routes=[
            *endpoints_keys.routes(auth, keys),
            *endpoints_users.routes(auth, keys, PeopleStore(engine)),
            *endpoints_registration.routes(auth, registration, switches, trusted),
        ],
        runs=[cutter.run],
        openapi=OPENAPI,
    )
