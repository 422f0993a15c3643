"""The consumer's settings; the only reader of its environment."""

from pathlib import Path

from pydantic import Field, ValidationError

from common.settings import SettingsError, SharedSettings, describe


class ConsumerSettings(SharedSettings):
    """What the consumer alone must be told."""

    batch_records: int = Field(256, description="Most records in one transaction.", ge=1, le=10_000)
    batch_wait_ms: int = Field(
        20, description="Longest wait for a batch to fill, in milliseconds.", ge=0, le=10_000
    )
    prefetch_messages: int = Field(
        64, description="Most broker messages held unacknowledged.", ge=1, le=10_000
    )
    retention_days: int | None = Field(
        None,
        description="Records that began longer ago are removed, with the conversations made of"
        " them; usage stays. The same for every consumer. Not given: everything is kept.",
        ge=1,
        le=36_500,
    )

    @property
    def suspects(self) -> Path:
        """Where an embedded consumer writes down what it may die of."""
        return self.data_dir.absolute() / "consumer.suspects"


def load_settings() -> ConsumerSettings:
    """From the environment and `.env`. Raises SettingsError."""
    try:
        settings = ConsumerSettings()
    except ValidationError as error:
        raise SettingsError(describe(error)) from None
    settings.refuse_unsupported()
    return settings
