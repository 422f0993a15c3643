"""Python loads this of its own accord in a program that is started with this directory on its
path: so a test can alter a program of ours, with nothing in the program for it."""

from tests.support.alterations.hook import install

install()
