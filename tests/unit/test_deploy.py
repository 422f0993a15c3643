"""The files of deploy/ name only what exists: sources, settings, commands, times that fit."""

import re
from pathlib import Path
from typing import Any

import typer
import yaml
from pydantic import BaseModel

from consumer.cli import app as consumer
from consumer.settings import ConsumerSettings
from gateway.bots.providers import slack as slack_bot
from gateway.cli import app as gateway
from gateway.settings import GatewaySettings
from gateway.signin.providers import oidc, slack
from tests.support.sources import ROOT

DEPLOY = ROOT / "deploy"
PROGRAMS = {"gateway": gateway, "consumer": consumer}


def settings_of(*models: type[BaseModel]) -> set[str]:
    return {name.upper() for model in models for name in model.model_fields}


def commands_of(program: str) -> set[str]:
    command: Any = typer.main.get_command(PROGRAMS[program])
    return set(command.list_commands(typer.Context(command)))


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())["services"]
    return services


def unit(path: Path) -> dict[str, str]:
    pairs = re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE)
    return dict(pairs)


def test_dockerfile_copies_what_exists_and_is_let_in() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.M)
    names = [name for copy in copies for name in copy.split()]
    assert {n for n in names if not (ROOT / n).exists()} == set()
    let_in = re.findall(r"^!(\S+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.M)
    assert {n.split("/")[0] for n in names} == set(let_in)


def test_image_has_every_package_that_the_project_installs() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    packages = re.search(r"^packages = \[(.+)\]$", (ROOT / "pyproject.toml").read_text(), re.M)
    assert packages
    for package in re.findall(r'"(\w+)"', packages[1]):
        assert f"COPY {package} {package}\n" in dockerfile


def test_image_runs_as_nobody_special_and_installs_by_hash() -> None:
    _, build, image = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")
    assert re.findall(r"^USER (\w+)$", image, re.M) == ["gateway"]
    assert "pip" not in image
    installs = [line for line in build.splitlines() if "install" in line and "-r req" in line]
    assert installs
    assert all("--require-hashes" in line for line in installs)


def test_image_sets_only_settings_that_exist() -> None:
    image = (DEPLOY / "Dockerfile").read_text().rpartition("\nENV ")[2].partition("\nUSER")[0]
    names = set(re.findall(r"(\w+)=", image)) - {"PATH", "PYTHONUNBUFFERED"}
    assert names == {"HOST", "DATA_DIR"}
    assert names <= settings_of(GatewaySettings)


def test_compose_sets_only_settings_that_exist() -> None:
    services = compose()
    known = {
        "gateway": settings_of(GatewaySettings, oidc.Settings, slack.Settings, slack_bot.Settings),
        "consumer": settings_of(ConsumerSettings),
        "migrate": settings_of(GatewaySettings),
    }
    for name, settings in known.items():
        assert set(services[name]["environment"]) - settings == set(), name


def test_compose_gives_gateway_and_consumer_the_same_database_and_broker() -> None:
    services = compose()
    shared = services["consumer"]["environment"].items()
    assert shared <= services["gateway"]["environment"].items()
    assert {"DB_HOST", "DB_PASSWORD", "AMQP_URL"} <= dict(shared).keys()


def test_compose_runs_commands_that_exist() -> None:
    for name in ("gateway", "consumer", "migrate"):
        program, command = compose()[name]["command"]
        assert command in commands_of(program)


def test_compose_waits_for_health_that_is_checked() -> None:
    services = compose()
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "test" in services[name]["healthcheck"]


def test_compose_keeps_what_must_last_in_volumes() -> None:
    declared = set(yaml.safe_load((DEPLOY / "compose.yaml").read_text())["volumes"])
    used = {v.partition(":")[0] for s in compose().values() for v in s.get("volumes", ())}
    assert used == declared == {"spool", "postgres", "rabbitmq", "redis"}


def test_compose_asks_for_every_secret_and_has_none() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    offered = re.findall(r"^(\w+)=(.*)$", (DEPLOY / "compose.env.example").read_text(), re.M)
    assert needed == {name for name, value in offered if name.endswith("PASSWORD") and not value}
    assert not re.search(r"(PASSWORD|PASS): (?!\$\{)", text)


def test_services_for_tests_are_open_to_this_machine_only() -> None:
    services = compose("compose.test.yaml")
    assert set(services) == {"postgres", "rabbitmq", "redis"}
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_units_start_commands_that_exist_and_leave_time_to_stop() -> None:
    drain_s = GatewaySettings.model_fields["drain_timeout_s"].default
    for path in (DEPLOY / "systemd").glob("*.service"):
        settings = unit(path)
        program, command = settings["ExecStart"].rpartition("/")[2].split()
        assert command in commands_of(program)
        assert (settings["Restart"], settings["StartLimitIntervalSec"]) == ("on-failure", "0")
        assert "RestartPreventExitStatus" not in settings, "what is away at start comes back"
        if program == "gateway":
            assert int(settings["TimeoutStopSec"]) >= drain_s + 35


def test_compose_leaves_the_gateway_time_to_stop() -> None:
    drain_s = compose()["gateway"]["environment"]["DRAIN_TIMEOUT_S"]
    assert int(compose()["gateway"]["stop_grace_period"].removesuffix("s")) >= drain_s + 20


def test_nginx_neither_delays_nor_cuts_a_stream() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    directives = dict(re.findall(r"^ *(\w+) ([^;{]+);$", text, re.M))
    assert directives["proxy_buffering"] == directives["gzip"] == "off"
    assert directives["proxy_next_upstream"] == "off"
    assert directives["proxy_pass"] == "http://openai_gateway"
    longest_s = GatewaySettings.model_fields["first_byte_timeout_s"].default
    assert int(directives["proxy_read_timeout"].removesuffix("s")) > longest_s
