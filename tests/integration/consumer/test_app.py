"""consumer.app: waits for a gateway that is still migrating, but not for ever."""

from pathlib import Path

import anyio
import pytest
from sqlalchemy.engine import make_url

from common.database import make_engine
from common.schema import SchemaOutdated
from common.settings import SettingsError
from consumer.app import limits_of, make_source, wait_for_head
from consumer.settings import ConsumerSettings
from consumer.sources.amqp import AmqpSource
from consumer.sources.local import LocalSource
from gateway.migration import migrate


async def test_database_that_is_being_migrated_is_waited_for(postgres_url: str) -> None:
    url = make_url(postgres_url)
    engine = make_engine(url)
    async with anyio.create_task_group() as group:
        group.start_soon(wait_for_head, engine, 60)
        await anyio.to_thread.run_sync(migrate, url)
    await engine.dispose()


async def test_database_that_stays_old_is_refused(tmp_path: Path) -> None:
    engine = make_engine(make_url(f"sqlite+aiosqlite:///{tmp_path}/empty.sqlite"))
    with pytest.raises(SchemaOutdated, match="gateway migrate") as refusal:
        await wait_for_head(engine, longest_s=0.1)
    assert isinstance(refusal.value, SettingsError)
    await engine.dispose()


def test_settings_choose_the_source_and_the_size_of_batches(tmp_path: Path) -> None:
    local = ConsumerSettings(data_dir=tmp_path, prefetch_messages=1)
    broker = ConsumerSettings(data_dir=tmp_path, amqp_url="amqp://x", batch_records=7)
    assert isinstance(make_source(local), LocalSource)
    assert isinstance(make_source(broker), AmqpSource)
    assert (limits_of(local).messages, limits_of(broker).records) == (1, 7)
