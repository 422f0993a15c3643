"""Signing in with Slack, which speaks OpenID Connect (https://docs.slack.dev/authentication).

The same person writing to the bot has the same workspace and user id, and so is the same user.
"""

from pydantic import BaseModel, Field, SecretStr

from gateway.auth.identities import Identity
from gateway.errors import LoginProviderFailed, NotAdmitted
from gateway.settings import GatewaySettings
from gateway.signin.calls import ProviderCalls
from gateway.signin.openid import Claims, Client, OpenIdConnect, display_name
from gateway.signin.provider import Person


class Settings(BaseModel):
    """What this provider must be told."""

    slack_client_id: str = Field("", description="Client id of the Slack app.")
    slack_client_secret: SecretStr = Field(
        SecretStr(""), description="Its secret. Without it this login is not there."
    )
    slack_issuer: str = Field("https://slack.com", description="Where Slack's sign-in is.")
    slack_team_ids: str = Field(
        "",
        description="Workspaces whose people are let in, comma-separated: `T…`. Must be given.",
    )

    @property
    def teams(self) -> frozenset[str]:
        return frozenset(part.strip() for part in self.slack_team_ids.split(",") if part.strip())


def provider(settings: GatewaySettings, calls: ProviderCalls) -> OpenIdConnect:
    own = settings.section(Settings)
    secret, teams = own.slack_client_secret.get_secret_value(), own.teams

    def who(claims: Claims) -> Person:
        team, user = (claims.get(f"https://slack.com/{name}") for name in ("team_id", "user_id"))
        if not (isinstance(team, str) and isinstance(user, str) and team and user):
            raise LoginProviderFailed("Slack's ID token names no workspace or no user.")
        if team not in teams:
            raise NotAdmitted
        return Person(Identity("slack", team, user), display_name(claims) or user)

    return OpenIdConnect(Client(own.slack_issuer, own.slack_client_id, secret), who, calls)
