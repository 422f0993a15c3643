"""The browser of the tests: Chromium and its driver, from Debian's or Ubuntu's packages.

Not a service: it is installed where that may be done, and started by the tests themselves.
"""

import shutil

from scripts.services import packages

PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""Names of the programs, and of Debian's packages that hold them."""


def lacking() -> str:
    """What to do, in a sentence; empty: both are there."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if not absent:
        return ""
    names = " ".join(PROGRAMS[program] for program in absent)
    return (
        f"The tests of the pages need {' and '.join(absent)}, which cannot be found, and packages"
        " cannot be installed here (that takes Debian, and root or sudo without a password):"
        f" sudo apt-get install {names}"
    )


def prepare() -> None:
    """Install what is lacking, where that may be done. Raises CalledProcessError."""
    who = packages.may_install()
    absent = [PROGRAMS[program] for program in PROGRAMS if shutil.which(program) is None]
    if absent and who != "no":
        packages.install(absent, who)
