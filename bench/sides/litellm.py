"""LiteLLM's proxy, one worker, without a database."""

from pathlib import Path

from bench.programs import BenchError, Program, free_port, run_to_end
from bench.sides.side import Side, Target
from bench.traffic import MODEL

_CONFIGURATION = """\
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: {upstream_url}
      api_key: sk-bench
"""
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the internet for prices first
    "LITELLM_LOG": "ERROR",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # as a gateway without tokens
}


class LiteLLM(Side):
    """`litellm --config … --num_workers 1`."""

    name = "LiteLLM"
    doing = "one model, one key; no tokens of its own (no master key), no database, no recording"
    starts_within_s = 120

    def version(self) -> str:
        if not self._program.exists():
            raise BenchError("LiteLLM is not installed")
        python = self.place.tools / "litellm" / "bin" / "python"
        show = "from importlib.metadata import version; print(version('litellm'))"
        return f"litellm {run_to_end([str(python), '-c', show]).strip()}"

    def launch(self, cores: frozenset[int]) -> Program:
        place = self.place
        self.target = Target(free_port())
        configuration = place.directory / "config.yaml"
        configuration.write_text(
            _CONFIGURATION.format(model=MODEL, upstream_url=place.upstream_url)
        )
        return Program(
            [
                str(self._program), "--config", str(configuration), "--host", "127.0.0.1",
                "--port", str(self.target.port), "--num_workers", "1", "--telemetry", "False",
            ],
            place.directory / "litellm.log",
            cores=cores,
            environment=_ENVIRONMENT,
            directory=place.directory,
        )  # fmt: skip

    @property
    def _program(self) -> Path:
        return self.place.tools / "litellm" / "bin" / "litellm"
