"""Real programs, altered for a test: killed at a certain step, or with a safeguard taken out.

`environment` is what a program must be started with. What can be altered stands in `failpoints`
and `mutants`; how it is done in `hook`. The programs themselves know nothing of it.
"""

from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[2]
FAILPOINTS, MUTANT, BRIEFLY = "TEST_FAILPOINTS", "TEST_MUTANT", "TEST_RESTART_BRIEFLY"


def environment(
    failpoints: Path | None = None, mutant: str | None = None, *, briefly: bool = False
) -> dict[str, str]:
    """`failpoints`: a directory where they are armed; `briefly`: a gateway that sees its children
    die again and again does not take longer and longer to start them."""
    found = {"PYTHONPATH": f"{_HERE.parent / 'altered'}:{_ROOT}"}
    if failpoints is not None:
        found[FAILPOINTS] = str(failpoints)
    if mutant is not None:
        found[MUTANT] = mutant
    if briefly:
        found[BRIEFLY] = "1"
    return found
