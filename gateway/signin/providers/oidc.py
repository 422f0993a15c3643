"""Signing in with any OpenID Connect provider: Entra, Google, Keycloak, Authentik, …"""

from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator

from gateway.auth.identities import Identity
from gateway.errors import NotAdmitted
from gateway.settings import GatewaySettings
from gateway.signin.calls import ProviderCalls
from gateway.signin.openid import Claims, Client, OpenIdConnect, display_name
from gateway.signin.provider import Person

FOR_EVERYBODY = frozenset(("accounts.google.com", "appleid.apple.com", "gitlab.com"))
"""Issuers at which anybody can have an account."""


class Settings(BaseModel):
    """What this provider must be told."""

    oidc_issuer: str = Field(
        "",
        description="Issuer of an OpenID Connect provider, as it names itself:"
        " `https://login.example.com/realms/team`.",
    )
    oidc_client_id: str = Field("", description="What the gateway is called there.")
    oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="Its secret. Without it this login is not there."
    )
    oidc_title: str = Field(
        "", description="What people call the provider, for the button. Not given: its host."
    )
    oidc_allowed_domains: str = Field(
        "",
        validate_default=True,
        description="Domains whose people are let in, comma-separated; the provider must vouch for"
        " it (`email_verified`, or Google's `hd`). Not given: everybody that the provider admits;"
        " needed where that is the whole world (Google, GitLab.com, Apple).",
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("give the address of an OpenID Connect issuer: https://…")
        return value.strip()

    @field_validator("oidc_allowed_domains")
    @classmethod
    def _domains(cls, value: str, others: ValidationInfo) -> str:
        host = urlsplit(others.data.get("oidc_issuer", "")).hostname
        if host in FOR_EVERYBODY and not value.strip(" ,"):
            raise ValueError(f"anybody has an account at {host}: say whose domains are let in")
        return value

    @property
    def domains(self) -> frozenset[str]:
        listed = (part.strip().lower().lstrip("@") for part in self.oidc_allowed_domains.split(","))
        return frozenset(part for part in listed if part)


def provider(settings: GatewaySettings, calls: ProviderCalls) -> OpenIdConnect:
    own = settings.section(Settings)
    secret = own.oidc_client_secret.get_secret_value()
    issuer, domains = own.oidc_issuer, own.domains

    def who(claims: Claims) -> Person:
        if domains and domains.isdisjoint(vouched_domains(claims)):
            raise NotAdmitted
        subject = claims["sub"]
        identity = Identity("oidc", issuer.rstrip("/"), subject)
        return Person(identity, display_name(claims) or subject)

    return OpenIdConnect(Client(issuer, own.oidc_client_id, secret), who, calls)


def title(settings: GatewaySettings) -> str:
    own = settings.section(Settings)
    return own.oidc_title or urlsplit(own.oidc_issuer).hostname or "OpenID Connect"


def vouched_domains(claims: Claims) -> set[str]:
    """Domains of this person that the provider itself stands for.

    Anybody may have entered any e-mail address at some providers: only a verified one counts.
    """
    found = {claims.get("hd")}
    if claims.get("email_verified") is True:
        found.add(str(claims.get("email")).rpartition("@")[2])
    return {domain.lower() for domain in found if isinstance(domain, str) and domain}
