"""Where the tests' services are sought, and what is done about those that are not there."""

import pytest

from scripts.services.addresses import Address, expected
from scripts.services.plan import Machine, Plan, plan

BARE = Machine(docker=False, installed=frozenset(), apt="no")


def test_without_settings_the_standard_local_ports_count() -> None:
    addresses = expected({})
    assert [(a.service, a.port, a.given) for a in addresses] == [
        ("Postgres", 5432, False),
        ("RabbitMQ", 5672, False),
        ("Redis", 6379, False),
    ]


def test_settings_name_other_places() -> None:
    environment = {"AMQP_URL": "amqp://u:p@broker/", "REDIS_URL": "redis://cache:7000"}
    _, rabbitmq, redis = expected(environment)
    assert (rabbitmq.url, rabbitmq.port, rabbitmq.given) == ("amqp://u:p@broker/", 5672, True)
    assert (redis.url, redis.port, redis.given) == ("redis://cache:7000", 7000, True)


def test_the_tests_database_goes_before_the_program_s() -> None:
    urls = {"TEST_DATABASE_URL": "postgresql://a/t", "DATABASE_URL": "postgresql://b/p"}
    assert expected(urls)[0].url == "postgresql://a/t"
    del urls["TEST_DATABASE_URL"]
    assert expected(urls)[0].url == "postgresql://b/p"
    assert not expected({"DATABASE_URL": "sqlite:///file"})[0].given


def test_an_address_is_shown_without_its_password() -> None:
    (shown,) = {a.shown for a in expected({"AMQP_URL": "amqp://u:hidden@b:1/"}) if a.given}
    assert shown == "amqp://b:1/"


def test_another_port_keeps_user_and_database() -> None:
    moved = expected({})[0].at(15432)
    assert moved.url == "postgresql://postgres:postgres@127.0.0.1:15432/postgres"


def test_docker_goes_before_packages() -> None:
    absent = expected({})
    assert plan(absent, Machine(True, frozenset(), "root")) == Plan(compose=absent)


def test_packages_are_installed_only_where_programs_are_missing() -> None:
    absent = expected({})
    found = plan(absent, Machine(False, frozenset({"Postgres"}), "sudo"))
    assert found == Plan(start=absent, install=("rabbitmq-server", "redis-server"))


def test_installed_programs_need_no_permission() -> None:
    absent = expected({})[:1]
    assert plan(absent, Machine(False, frozenset({"Postgres"}), "no")) == Plan(start=absent)


def test_a_machine_that_offers_nothing_is_told_what_is_missing() -> None:
    refusal = plan(expected({})[1:], BARE).refusal
    assert "RabbitMQ and Redis" in refusal
    assert "apt-get install rabbitmq-server redis-server" in refusal


@pytest.mark.parametrize("machine", [BARE, Machine(True, frozenset({"Redis"}), "root")])
def test_nothing_takes_the_place_of_an_address_that_was_named(machine: Machine) -> None:
    named = Address("Redis", "redis://:hidden@cache:1/0", "REDIS_URL", given=True)
    found = plan([named], machine)
    assert "REDIS_URL names redis://cache:1/0" in found.refusal
    assert found.compose == found.start == ()
