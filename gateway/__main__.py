"""The program `gateway`, also as `python -m gateway`.

`gateway serve` goes without what the command line needs; all else is in `gateway.cli`.
"""

import sys
from importlib import import_module

from common import quick_start


def main() -> None:
    """The console's entry."""
    if sys.argv[1:] == ["serve"]:
        quick_start.begin()
        sys.exit(import_module("gateway.supervisor").main())
    import_module("gateway.cli").main()


if __name__ == "__main__":
    main()
