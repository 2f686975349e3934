"""The settings of vendors: Shopify, Plytix, Gemini, OpenAI, Stability, and what keeps their stand-ins and them apart.

Here: their fields, guards, and `VendorSettings.require`. Not here: our own systems and areas (``settings.py``).
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from image_assets.errors import SettingsError
from image_assets.settings_guards import guard_vendor, no_sandbox_error
from image_assets.settings_sources import PLYTIX_ACCOUNT

# Stability's v2beta: two endpoints of their own, and the models of ``sd3`` (platform.stability.ai, API reference).
StabilityModel = Literal["core", "ultra", "sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash"]
STABILITY_MODELS: tuple[str, ...] = get_args(StabilityModel)


class PlytixAccount(BaseModel):
    """The credentials of a further Plytix account."""

    model_config = ConfigDict(frozen=True)

    key: SecretStr | None = None
    password: SecretStr | None = None


class VendorSettings(BaseSettings):
    """What vendors' clients are made from; `settings.Settings` is all of it."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, env_file_encoding="utf-8", populate_by_name=False
    )

    environment: Literal["sandbox", "production"] = Field("sandbox", validation_alias="IMAGE_ASSETS_ENV")
    aws_endpoint_url: str | None = Field(None, validation_alias="AWS_ENDPOINT_URL")

    shopify_shop: str | None = Field(None, validation_alias="SHOPIFY_SHOP")
    shopify_access_token: SecretStr | None = Field(None, validation_alias="SHOPIFY_ACCESS_TOKEN")
    shopify_api_version: str = Field(
        "2026-07", pattern=r"^20\d\d-(01|04|07|10)$", validation_alias="SHOPIFY_API_VERSION"
    )
    shopify_base_url: str | None = Field(None, validation_alias="SHOPIFY_BASE_URL")
    shopify_upload: Literal["presigned", "staged"] = Field("presigned", validation_alias="SHOPIFY_UPLOAD")
    shopify_media_patience_s: float = Field(300.0, gt=0, le=3600, validation_alias="SHOPIFY_MEDIA_PATIENCE_S")
    # Spec 02: "Use short expiration times (1 hour max)".
    presigned_url_s: int = Field(3600, ge=60, le=3600, validation_alias="PRESIGNED_URL_S")

    plytix_api_key: SecretStr | None = Field(None, validation_alias="PLYTIX_API_KEY")
    plytix_api_password: SecretStr | None = Field(None, validation_alias="PLYTIX_API_PASSWORD")
    plytix_accounts: dict[str, PlytixAccount] = Field(
        default_factory=dict[str, PlytixAccount], validation_alias="PLYTIX_ACCOUNTS"
    )
    plytix_base_url: str | None = Field(None, validation_alias="PLYTIX_BASE_URL")
    plytix_auth_url: str | None = Field(None, validation_alias="PLYTIX_AUTH_URL")
    # The limits of a plan that were seen in an account (Plytix publishes none).
    plytix_per_10_s: int = Field(20, ge=1, le=100_000, validation_alias="PLYTIX_PER_10_S")
    plytix_per_hour: int = Field(5_000, ge=1, le=10_000_000, validation_alias="PLYTIX_PER_HOUR")

    gemini_api_key: SecretStr | None = Field(None, validation_alias="GEMINI_API_KEY")
    gemini_base_url: str | None = Field(None, validation_alias="GEMINI_BASE_URL")
    gemini_sdk: Literal["google-generativeai", "google-genai"] = Field(
        "google-generativeai", validation_alias="GEMINI_SDK"
    )
    gemini_model: str = Field("gemini-3.8-flash", min_length=1, validation_alias="GEMINI_MODEL")
    gemini_image_model: str = Field("gemini-3.1-flash-image", min_length=1, validation_alias="GEMINI_IMAGE_MODEL")
    gemini_per_minute: int = Field(60, ge=1, le=1_000_000, validation_alias="GEMINI_PER_MINUTE")
    gemini_timeout_s: float = Field(120.0, gt=0, le=600, validation_alias="GEMINI_TIMEOUT_S")
    # Google's list price of an image of about one megapixel, and an analysis of some 1,500 tokens in and 800 out.
    gemini_image_cost_usd: float = Field(0.067, ge=0, validation_alias="GEMINI_IMAGE_COST_USD")
    gemini_analysis_cost_usd: float = Field(0.003, ge=0, validation_alias="GEMINI_ANALYSIS_COST_USD")

    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    openai_image_model: str = Field("gpt-image-2.5-flare", min_length=1, validation_alias="OPENAI_IMAGE_MODEL")
    openai_image_quality: Literal["low", "medium", "high", "auto"] = Field(
        "medium", validation_alias="OPENAI_IMAGE_QUALITY"
    )
    openai_per_minute: int = Field(50, ge=1, le=1_000_000, validation_alias="OPENAI_PER_MINUTE")
    # High quality takes up to two minutes (OpenAI, image generation guide).
    openai_timeout_s: float = Field(180.0, gt=0, le=600, validation_alias="OPENAI_TIMEOUT_S")

    stability_api_key: SecretStr | None = Field(None, validation_alias="STABILITY_API_KEY")
    stability_base_url: str | None = Field(None, validation_alias="STABILITY_BASE_URL")
    stability_model: StabilityModel = Field("core", validation_alias="STABILITY_MODEL")
    # "150 requests every 10 seconds"; who exceeds it waits 60 s (Stability, API reference).
    stability_per_10_s: int = Field(150, ge=1, le=10_000, validation_alias="STABILITY_PER_10_S")
    stability_timeout_s: float = Field(120.0, gt=0, le=600, validation_alias="STABILITY_TIMEOUT_S")

    @model_validator(mode="before")
    @classmethod
    def _accounts(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Gather the credentials of further Plytix accounts."""
        accounts: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            found = PLYTIX_ACCOUNT.fullmatch(name)
            if found:
                accounts.setdefault(found["account"].lower(), {})[found["part"].lower()] = value
        return {**values, "PLYTIX_ACCOUNTS": accounts}

    def require(self, field: str) -> str:
        """Return the plain value of a setting that has none by default.

        Raises:
            SettingsError: it is not set; the message names the variable and, in the sandbox, how to start it.
        """
        value = getattr(self, field)
        if value is not None and value != "":
            return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if self.environment == "sandbox" and field in SANDBOX_PROVIDES and not self.aws_endpoint_url:
            raise no_sandbox_error()
        raise SettingsError(
            f"{self.variable_name(field)} is not set.", hint=HINTS.get(field, "Set it; see .env.example.")
        )

    @classmethod
    def variable_name(cls, field: str) -> str:
        """The environment variable of a field (the first of its names)."""
        alias = cls.model_fields[field].validation_alias
        return str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias)

    def require_shopify(self) -> None:
        """Guard every Shopify client: sandbox mode never talks to a real shop, production never to the stand-in.

        Raises:
            SettingsError: no sandbox is running, or the address does not belong to the environment.
        """
        self._guard("SHOPIFY_BASE_URL", self.shopify_base_url, f"the shop is {self.shopify_shop or 'not set'}")

    def require_plytix(self) -> None:
        """Guard every Plytix client, as `require_shopify` does for Shopify.

        Raises:
            SettingsError: no sandbox is running, or an address does not belong to the environment.
        """
        self._guard("PLYTIX_BASE_URL", self.plytix_base_url, "PLYTIX_BASE_URL is not set")
        self._guard("PLYTIX_AUTH_URL", self.plytix_auth_url, "PLYTIX_AUTH_URL is not set")

    def require_gemini(self) -> None:
        """Guard every Gemini client, as `require_shopify` does for Shopify.

        Raises:
            SettingsError: no sandbox is running, or the address does not belong to the environment.
        """
        self._guard("GEMINI_BASE_URL", self.gemini_base_url, "GEMINI_BASE_URL is not set")

    def require_openai(self) -> None:
        """Guard every OpenAI client, as `require_shopify` does for Shopify.

        Raises:
            SettingsError: no sandbox is running, or the address does not belong to the environment.
        """
        self._guard("OPENAI_BASE_URL", self.openai_base_url, "OPENAI_BASE_URL is not set")

    def require_stability(self) -> None:
        """Guard every Stability client, as `require_shopify` does for Shopify.

        Raises:
            SettingsError: no sandbox is running, or the address does not belong to the environment.
        """
        self._guard("STABILITY_BASE_URL", self.stability_base_url, "STABILITY_BASE_URL is not set")

    def _guard(self, variable: str, url: str | None, without: str) -> None:
        guard_vendor(self.environment, variable, url, without, running=bool(self.aws_endpoint_url))

    def plytix_credentials(self, account: str = "") -> tuple[str, SecretStr]:
        """Key and password of a Plytix account, by its alias; empty for the one of ``PLYTIX_API_KEY``.

        Raises:
            SettingsError: one of them is not set; the message names the variable and the accounts there are.
        """
        if not account:
            self.require("plytix_api_password")
            return self.require("plytix_api_key"), self.plytix_api_password or SecretStr("")
        found = self.plytix_accounts.get(account.lower())
        if found is not None and found.key and found.password:
            return found.key.get_secret_value(), found.password
        missing = "KEY" if found is None or not found.key else "PASSWORD"
        known = ", ".join(sorted(self.plytix_accounts)) or "none"
        raise SettingsError(
            f"PLYTIX_{account.upper()}_API_{missing} is not set.",
            hint=f"Set it, or name one of the accounts there are: {known}.",
        )


SANDBOX_PROVIDES = {
    *("s3_bucket", "requests_s3_bucket", "media_s3_bucket", "sqs_queue_url", "database_url", "catalog_database_url"),
    "deals_events_queue_url",
    *("shopify_shop", "shopify_access_token", "plytix_api_key", "plytix_api_password"),
    *("enhanced_s3_bucket", "gemini_api_key", "api_tokens"),
    *("generation_s3_bucket", "openai_api_key", "stability_api_key"),
    *("deals_database_url", "redshift_host", "redshift_dbname", "redshift_user", "redshift_password"),
}

HINTS = {
    "s3_bucket": "Set it to the bucket that holds the deal images.",
    "media_s3_bucket": "Set it to the bucket that holds the product images of STOREFRONT_PREFIX.",
    "catalog_database_url": "Set it to the database of nav_items, e.g. mysql+pymysql://user:password@host/catalog.",
    "oracle_dsn": "Set it to the deals database, e.g. host:1521/service; or DEALS_DATABASE_URL, as a URL.",
    "oracle_user": "Set it to the user of ORACLE_DSN.",
    "oracle_password": "Set it to the password of ORACLE_USER.",
    "redshift_host": "Set it to the cluster that holds temp.opt_image_variants.",
    "redshift_dbname": "Set it to the database of REDSHIFT_HOST.",
    "redshift_user": "Set it to a user of REDSHIFT_HOST who may update temp.opt_image_variants.",
    "redshift_password": "Set it to the password of REDSHIFT_USER.",
    "shopify_shop": "Set it to the shop's own domain, e.g. my-shop.myshopify.com.",
    "shopify_access_token": "Set it to an Admin API access token of the shop (shpat_...).",
    "plytix_api_key": "Set it to an API key of the account (Plytix, Settings, API credentials).",
    "plytix_api_password": "Set it to the password that belongs to PLYTIX_API_KEY.",
    "enhanced_s3_bucket": "Set it to the bucket that enhanced images go to.",
    "generation_s3_bucket": "Set it to the bucket that generated images go to.",
    "openai_api_key": "Set it to an API key of OpenAI's platform (sk-...).",
    "stability_api_key": "Set it to an API key of Stability AI's platform (sk-...).",
    "gemini_api_key": "Set it to an API key of Google AI Studio.",
    "api_tokens": "Set it to the tokens that may use the API, each with its owner's name: alice:long-random-text.",
    "sqs_queue_url": "Set it to the URL of the request queue.",
    "deals_events_queue_url": "Set it to the URL of the queue that gets the bucket's S3 event notifications.",
    "database_url": "Set it to the project's own PostgreSQL, e.g. postgresql+psycopg://user:password@host/image_assets.",
}
