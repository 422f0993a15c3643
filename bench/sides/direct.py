"""Nothing between: the upstream itself. What others add is added to this."""

from bench.programs import Program
from bench.sides.side import Place, Side, Target


class Direct(Side):
    """The fake upstream, which the run has started already."""

    name = "upstream"
    doing = "nothing between: the fake upstream itself"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.target = Target(place.upstream_port)

    def version(self) -> str:
        return "bench.upstream"

    def launch(self, cores: frozenset[int]) -> Program | None:
        return None
