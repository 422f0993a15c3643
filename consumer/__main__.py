"""The program `consumer`, also as `python -m consumer`.

`consumer run` goes without what the command line needs; all else is in `consumer.cli`.
"""

import sys
from importlib import import_module

from common import quick_start


def main() -> None:
    """The console's entry."""
    if sys.argv[1:] == ["run"]:
        quick_start.begin()
        sys.exit(import_module("consumer.commands.run").main())
    import_module("consumer.cli").main()


if __name__ == "__main__":
    main()
