"""For programs that serve: what may be left out while they load. Imported before all else.

Loading is most of what a start takes, and it happens before anybody can be answered.
"""

import gc
import sys

_YOUNG = 10_000
"""Objects that come to be before some are looked through: a call makes hundreds and hardly a circle
of them, and looking 14 times as often took 4 % of its time."""


def begin() -> None:
    """Loading makes hardly any garbage, so looking for it is in vain: a tenth of the time.

    And `rich`, which structlog takes along where there is one, for tracebacks that `common.logs`
    prints in a way of its own: another tenth, and 2 MB. Commands that print tables do not come
    this way.
    """
    gc.disable()
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type] # as if it were not installed


def end() -> None:
    """All is loaded. It is never looked through again, and so stays shared with whom we fork.

    Not collected before: that would take as long as it saves, and write to every page.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    gc.enable()
