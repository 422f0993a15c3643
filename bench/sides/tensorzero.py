"""TensorZero's gateway, in Rust: the one inside its Python package, without observability."""

from pathlib import Path
from urllib.parse import urlsplit

from bench.programs import BenchError, Program, run_to_end
from bench.sides.side import Side, Target
from bench.traffic import MODEL

_CONFIGURATION = """\
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true

[models.{model}]
routing = ["fake"]

[models.{model}.providers.fake]
type = "openai"
model_name = "{model}"
api_base = "{upstream_url}/"
api_key_location = "none"
"""


class TensorZero(Side):
    """Reached through `tensorzero.patch_openai_client`; Python only starts it."""

    name = "TensorZero"
    doing = "one model, no key; no tokens of its own, observability off: no recording"

    def version(self) -> str:
        if not self._python.exists():
            raise BenchError("TensorZero is not installed")
        show = "from importlib.metadata import version; print(version('tensorzero'))"
        return f"tensorzero {run_to_end([str(self._python), '-c', show]).strip()}"

    def launch(self, cores: frozenset[int]) -> Program:
        """Its runtime starts as many threads as it has cores: so it begins on the measured one."""
        place = self.place
        configuration = place.directory / "tensorzero.toml"
        configuration.write_text(
            _CONFIGURATION.format(model=MODEL, upstream_url=place.upstream_url)
        )
        self._address.unlink(missing_ok=True)
        program = Path(__file__).parent.with_name("tensorzero_program.py")
        return Program(
            [str(self._python), str(program), str(configuration), str(self._address)],
            place.directory / "tensorzero.log",
            cores=place.cores.measured,
            environment={"RUST_LOG": "error"},
            directory=place.directory,
        )

    def _answers(self) -> bool:
        address = self._address.read_text() if self._address.exists() else ""
        if address:
            url = urlsplit(address)
            self.target = Target(
                url.port or 80,
                url.path.rstrip("/") + "/chat/completions",
                model=f"tensorzero::model_name::{MODEL}",
            )
        return bool(address) and super()._answers()

    @property
    def _address(self) -> Path:
        return self.place.directory / "address"

    @property
    def _python(self) -> Path:
        return self.place.tools / "tensorzero" / "bin" / "python"
