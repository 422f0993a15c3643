"""Settings of Feishu or Lark, which its bot and its login share; `gateway.settings` reads them."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from common.settings import SharedSettings
from gateway.gateway_toml import base_url


class FeishuSettings(SharedSettings):
    """One app at Feishu, Lark or a deployment of one's own. All hosts are settings."""

    app_id: str | None = Field(None, description="Id of the Feishu or Lark app, `cli_…`.")
    app_secret: SecretStr | None = Field(
        None, description="Its secret. Without it neither bot nor login is there."
    )
    feishu_mode: Literal["webhook", "websocket"] = Field(
        "webhook",
        description="How the bot hears of messages: `webhook`, for which Feishu must reach"
        " `/bots/feishu/events`, or `websocket`, a connection that the gateway makes and keeps.",
    )
    feishu_verification_token: SecretStr | None = Field(
        None, description="Verification Token of the app's event subscription, for `webhook`."
    )
    feishu_encrypt_key: SecretStr | None = Field(
        None,
        description="Encrypt Key of the app's event subscription, for `webhook`. With it every"
        " event must be signed.",
    )
    feishu_open_url: str = Field(
        "https://open.feishu.cn",
        description="Its API. Of Lark: `https://open.larksuite.com`.",
    )
    feishu_accounts_url: str = Field(
        "https://accounts.feishu.cn",
        description="Where people sign in. Of Lark: `https://accounts.larksuite.com`.",
    )
    feishu_token_url: str | None = Field(
        None,
        description="Where a sign-in's code is redeemed. Not given: `/oauth/v3/token` of"
        " `FEISHU_ACCOUNTS_URL`. Of Lark, and of older deployments of Feishu:"
        " `/open-apis/authen/v2/oauth/token` of their `FEISHU_OPEN_URL`.",
    )
    feishu_callback: Literal["feishu", "openai"] = Field(
        "feishu",
        description="Which redirect URL is registered at the app: `/auth/callback/feishu`, or"
        " `/auth/callback/openai`, which some have registered already; both are answered.",
    )
    feishu_passport_url: str | None = Field(
        None,
        description="With it people sign in by the old passport flow, for example at"
        " `https://passport.feishu.cn`.",
    )
    feishu_tenant_keys: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="Companies (tenant keys) whose people are let in, comma-separated. Not given:"
        " all that the app is available to, which for a custom app is its own company.",
    )

    @field_validator("feishu_open_url", "feishu_accounts_url")
    @classmethod
    def _feishu_hosts(cls, value: str) -> str:
        return base_url(value)

    @field_validator("feishu_token_url", "feishu_passport_url")
    @classmethod
    def _feishu_places(cls, value: str | None) -> str | None:
        return value and base_url(value)

    @field_validator("feishu_tenant_keys", mode="before")
    @classmethod
    def _tenant_keys(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return frozenset(part.strip() for part in value.split(",") if part.strip())
