"""`gateway doctor`, as somebody runs it whose gateway is well, and somebody whose is not."""

from pathlib import Path

from tests.support.fake_behaviour import BAD_KEY
from tests.support.fake_upstream import FakeUpstream
from tests.support.programs import Installation, free_port
from tests.support.scene import Scene


def test_all_is_well_with_a_running_gateway(house: Scene) -> None:
    done = house.gateway.run("gateway", "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sk-one" not in done.stdout and "sk-two" not in done.stdout


def test_a_key_that_the_provider_refuses_is_a_failure(tmp_path: Path) -> None:
    with FakeUpstream() as upstream:
        upstream.behave(BAD_KEY, key="sk-refused")
        settings = {"OPENAI_URL": upstream.url, "OPENAI_API_KEY": "sk-good,sk-refused"}
        installation = Installation(tmp_path, settings)
        installation.told("migrate")
        done = installation.run("gateway", "doctor")
    assert done.returncode == 1
    assert "key-1" in done.stdout
    assert "sk-refused" not in done.stdout + done.stderr


def test_services_that_are_not_there_are_a_failure(tmp_path: Path) -> None:
    closed = f"127.0.0.1:{free_port()}"
    installation = Installation(
        tmp_path,
        {
            "OPENAI_API_KEY": "sk-any",
            "OPENAI_URL": f"http://{closed}/v1",
            "DATABASE_URL": f"postgresql://postgres:hunter2@{closed}/none",
            "AMQP_URL": f"amqp://guest:hunter2@{closed}/",
            "REDIS_URL": f"redis://:hunter2@{closed}/0",
        },
    )
    done = installation.run("gateway", "doctor")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr
