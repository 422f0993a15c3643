"""Which chat bots there are: one file per provider in `providers/`, and this table.

A provider's file has `make(settings, client)`, which gives a `gateway.bots.bot.Bot`, and a class
`Settings` (pydantic) where it has settings of its own. It is imported only where nothing is
lacking.
"""

from dataclasses import dataclass

from gateway.settings import GatewaySettings


@dataclass(frozen=True, slots=True)
class Entry:
    """One provider, and the settings without which its bot is not there."""

    name: str
    """As in `/bots/{name}/events`, and as the provider of identities."""
    needs: tuple[str, ...]
    either: tuple[str, ...] = ()
    """One of these is needed as well: a bot that can verify nothing is not offered."""
    unless: tuple[str, str] = ("", "")
    """`either` does not count where this setting has this value."""
    shared: tuple[str, ...] = ()
    """Those of `needs` that alone are no sign of a bot: signing in needs them too."""

    def lacking(self, settings: GatewaySettings) -> list[str]:
        """What must be set before it is offered; nothing: it is."""
        lacking = settings.lacking(self.needs)
        name, value = self.unless
        by_itself = bool(name) and getattr(settings, name.lower()) == value
        if self.either and not by_itself and settings.lacking(self.either) == list(self.either):
            lacking.append(" or ".join(self.either))
        return lacking

    def wanted(self, settings: GatewaySettings) -> bool:
        """Whether somebody has begun to set it up."""
        names = {*self.needs, *self.either} - {*self.shared}
        return len(settings.lacking(names)) < len(names)


BOTS = (
    Entry(
        "feishu",
        ("APP_ID", "APP_SECRET"),
        ("FEISHU_ENCRYPT_KEY", "FEISHU_VERIFICATION_TOKEN"),
        ("FEISHU_MODE", "websocket"),
    ),
    Entry(
        "slack",
        ("SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN", "SLACK_TEAM_IDS"),
        shared=("SLACK_TEAM_IDS",),
    ),
)
