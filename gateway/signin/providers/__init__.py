"""Where people can sign in: one file per provider, and this table. Pure.

A provider's file has `provider(settings, calls)`, which makes a `gateway.signin.provider.Provider`;
a pydantic class `Settings` where it has settings of its own; and `title(settings)` where the table
has no title.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider that can be had; its file is imported only where it is."""

    name: str
    """As in `/auth/login/{name}`, and as the provider of identities."""
    title: str
    """As people know it."""
    needs: tuple[str, ...]
    """Settings without which it is not there."""
    title_zh: str = ""


PROVIDERS = (
    Entry("feishu", "Feishu / Lark", ("APP_ID", "APP_SECRET"), "飞书"),
    Entry("slack", "Slack", ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_TEAM_IDS")),
    Entry("oidc", "", ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")),
)
ALIASES = {"openai": "feishu"}
"""Of callbacks: redirect URLs that teams have registered at Feishu already."""
