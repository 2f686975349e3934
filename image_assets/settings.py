"""Every setting of the project, validated, in one place: the only reader of the environment.

Here: names, defaults and validation. Not here: where values come from (``settings_sources.py``), clients made from
settings (``stores/``, ``vendors/``). An area asks for what it needs with `Settings.require`, so that a missing setting
stops only the area that needs it, with a sentence that names the variable.

Order of precedence: with ``IMAGE_ASSETS_ENV=sandbox`` and without an ``AWS_ENDPOINT_URL`` of your own, the addresses of
the running sandbox; then environment variables; then the clone's ``.env`` file. Production never reads the sandbox's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from image_assets.errors import SettingsError
from image_assets.paths import checkout_root, default_state_dir
from image_assets.redaction import register_secret
from image_assets.settings_guards import guard_vendor, is_loopback, no_sandbox_error, parse_tokens
from image_assets.settings_sources import (
    PLYTIX_ACCOUNT,
    AccountsSource,
    SandboxSource,
    read_sandbox_env,
    sandbox_file,
)

__all__ = [
    "PlytixAccount",
    "Settings",
    "load_settings",
    "no_sandbox_error",
    "read_sandbox_env",
    "sandbox_file",
    "settings_for",
    "variable_name",
]

# Pillow refuses to open an image of more than twice its MAX_IMAGE_PIXELS (PIL.Image, 2 x 89,478,485).
PILLOW_PIXEL_CEILING = 178_956_970
# A decoded image of this size takes 360 MB; it is also where Pillow begins to warn of decompression bombs.
DEFAULT_MAX_IMAGE_PIXELS = 89_478_485


class PlytixAccount(BaseModel):
    """The credentials of a further Plytix account."""

    model_config = ConfigDict(frozen=True)

    key: SecretStr | None = None
    password: SecretStr | None = None


class Settings(BaseSettings):
    """All settings; build it with `load_settings`. Field aliases are the environment variables' names."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, env_file_encoding="utf-8", populate_by_name=False
    )

    environment: Literal["sandbox", "production"] = Field("sandbox", validation_alias="IMAGE_ASSETS_ENV")
    state_dir: Path = Field(default_factory=default_state_dir, validation_alias="IMAGE_ASSETS_STATE_DIR")
    frames_url: str = Field("", validation_alias="FRAMES_URL")

    aws_region: str = Field("us-east-1", validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"))
    aws_endpoint_url: str | None = Field(None, validation_alias="AWS_ENDPOINT_URL")
    aws_access_key_id: SecretStr | None = Field(None, validation_alias="AWS_ACCESS_KEY_ID")
    aws_secret_access_key: SecretStr | None = Field(None, validation_alias="AWS_SECRET_ACCESS_KEY")
    aws_session_token: SecretStr | None = Field(None, validation_alias="AWS_SESSION_TOKEN")
    s3_bucket: str | None = Field(None, validation_alias="S3_BUCKET_NAME")
    aws_s3_bucket: str | None = Field(None, validation_alias="AWS_S3_BUCKET")
    requests_s3_bucket: str | None = Field(None, validation_alias="REQUESTS_S3_BUCKET")
    sqs_queue_url: str | None = Field(None, validation_alias="SQS_QUEUE_URL")
    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    catalog_database_url: SecretStr | None = Field(None, validation_alias="CATALOG_DATABASE_URL")
    alert_webhook_url: SecretStr | None = Field(None, validation_alias="ALERT_WEBHOOK_URL")

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

    deals_prefix: str = Field("images/deal/", validation_alias="DEALS_PREFIX")
    deals_variant_set: str = Field("deals", validation_alias="DEALS_VARIANT_SET")
    deals_workers: int = Field(8, ge=1, le=64, validation_alias="DEALS_WORKERS")
    deals_check_sample: int = Field(5, ge=0, le=10_000, validation_alias="DEALS_CHECK_SAMPLE")

    media_s3_bucket: str | None = Field(None, validation_alias="MEDIA_S3_BUCKET")
    storefront_prefix: str = Field("sorted-media/", validation_alias="STOREFRONT_PREFIX")
    storefront_workers: int = Field(10, ge=1, le=64, validation_alias="STOREFRONT_WORKERS")
    storefront_min_side: int = Field(200, ge=1, le=5000, validation_alias="STOREFRONT_MIN_SIDE")
    storefront_alt_text: str = Field(
        "{Image_SKU} - Image {n}", min_length=1, max_length=400, validation_alias="STOREFRONT_ALT_TEXT"
    )
    storefront_log_dir: Path | None = Field(None, validation_alias="STOREFRONT_LOG_DIR")
    catalog_query: str = Field("", validation_alias="CATALOG_QUERY")

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
    # Spec 03: "amazon_images (MediaGallery)".
    marketplace_gallery: str = Field("amazon_images", min_length=1, validation_alias="MARKETPLACE_GALLERY")
    marketplace_workers: int = Field(4, ge=1, le=32, validation_alias="MARKETPLACE_WORKERS")
    marketplace_same_bytes: bool = Field(False, validation_alias="MARKETPLACE_SAME_BYTES")
    image_hosts: str = Field("", validation_alias="IMAGE_HOSTS")

    raw_s3_buckets: str | None = Field(None, validation_alias="RAW_S3_BUCKETS")
    enhanced_s3_bucket: str | None = Field(None, validation_alias="ENHANCED_S3_BUCKET")
    enhanced_prefix: str = Field("enhanced/", validation_alias="ENHANCED_PREFIX")
    # Spec 04: default 3, range 1-10.
    enhanced_images_count: int = Field(3, ge=1, le=10, validation_alias="ENHANCED_IMAGES_COUNT")
    enhanced_min_side: int = Field(512, ge=16, le=4096, validation_alias="ENHANCED_MIN_SIDE")
    enhancement_workers: int = Field(4, ge=1, le=64, validation_alias="ENHANCEMENT_WORKERS")
    enhancement_daily_cost_usd: float = Field(20.0, ge=0, validation_alias="ENHANCEMENT_DAILY_COST_USD")

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

    api_tokens: SecretStr | None = Field(None, validation_alias="API_TOKENS")

    max_image_pixels: int = Field(
        DEFAULT_MAX_IMAGE_PIXELS, ge=1, le=PILLOW_PIXEL_CEILING, validation_alias="MAX_IMAGE_PIXELS"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The running sandbox where it applies, the environment, ``.env``."""
        sandbox = SandboxSource(settings_cls, env_settings, dotenv_settings)
        accounts = AccountsSource(settings_cls, env_settings, dotenv_settings)
        return (init_settings, sandbox, env_settings, dotenv_settings, accounts)

    @model_validator(mode="before")
    @classmethod
    def _buckets(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Let one bucket serve where only one is named; specs 01 and 02 both call theirs AWS_S3_BUCKET."""
        common = values.get("AWS_S3_BUCKET")
        deals = values.get("S3_BUCKET_NAME") or common
        own = {name: values.get(name) or common or deals for name in ("MEDIA_S3_BUCKET", "ENHANCED_S3_BUCKET")}
        return {**values, "S3_BUCKET_NAME": deals, **own}

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

    @field_validator("state_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError(
                f"must be an absolute path, not {str(value)!r}: a relative one would follow the working directory and "
                "silently make a second instance"
            )
        return value

    @field_validator("deals_prefix", "storefront_prefix", "enhanced_prefix")
    @classmethod
    def _ends_with_slash(cls, value: str) -> str:
        if not value.endswith("/") or value.startswith("/"):
            raise ValueError(f"must end with / and not start with one, e.g. images/deal/, not {value!r}")
        return value

    @field_validator("storefront_alt_text")
    @classmethod
    def _known_fields(cls, value: str) -> str:
        try:
            value.format(Image_SKU="827749", n=1)
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError(f"may use the fields {{Image_SKU}} and {{n}} only, not {value!r}") from None
        return value

    def model_post_init(self, _context: Any, /) -> None:
        """Register every secret for redaction, before anything can print it."""
        values = [getattr(self, name) for name in type(self).model_fields]
        values += [part for account in self.plytix_accounts.values() for part in (account.key, account.password)]
        for value in values:
            if isinstance(value, SecretStr):
                register_secret(value.get_secret_value())
        for token in self.tokens.values():
            register_secret(token.get_secret_value())

    @field_validator("api_tokens")
    @classmethod
    def _tokens(cls, value: SecretStr | None) -> SecretStr | None:
        parse_tokens(value.get_secret_value() if value else "")
        return value

    @property
    def tokens(self) -> dict[str, SecretStr]:
        """The bearer tokens of ``API_TOKENS`` by the names of their owners."""
        return parse_tokens(self.api_tokens.get_secret_value() if self.api_tokens else "")

    @property
    def raw_buckets(self) -> tuple[str, ...]:
        """The buckets whose objects may be raw images and are read with our credentials (``RAW_S3_BUCKETS``)."""
        return tuple(filter(None, (name.strip() for name in (self.raw_s3_buckets or "").split(","))))

    @property
    def allowed_image_hosts(self) -> tuple[str, ...]:
        """The hosts that images may be fetched from (``IMAGE_HOSTS``, with commas); any public one when empty."""
        return tuple(filter(None, (host.strip() for host in self.image_hosts.split(","))))

    @cached_property
    def frames_location(self) -> str:
        """Where Parquet frames live: ``FRAMES_URL`` (``s3://bucket/prefix`` or a folder), or below the state folder."""
        return self.frames_url or str(self.state_dir / "frames")

    def require(self, field: str) -> str:
        """Return the plain value of a setting that has none by default.

        Raises:
            SettingsError: it is not set; the message names the variable and, in the sandbox, how to start it.
        """
        value = getattr(self, field)
        if value is not None and value != "":
            return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if self.environment == "sandbox" and field in _SANDBOX_PROVIDES and not self.aws_endpoint_url:
            raise no_sandbox_error()
        raise SettingsError(f"{variable_name(field)} is not set.", hint=_HINTS.get(field, "Set it; see .env.example."))

    def require_bucket(self) -> str:
        """The deal images' bucket, after the guard of `require_aws`."""
        self.require_aws()
        return self.require("s3_bucket")

    def require_aws(self) -> None:
        """Guard every AWS client: sandbox mode never talks to the real AWS, production never to a stand-in.

        Raises:
            SettingsError: no sandbox is running, or the endpoint does not belong to the environment.
        """
        if self.environment == "production":
            if self.aws_endpoint_url and is_loopback(self.aws_endpoint_url):
                raise SettingsError(
                    f"AWS_ENDPOINT_URL is {self.aws_endpoint_url}, a stand-in on this machine, but IMAGE_ASSETS_ENV is "
                    "production.",
                    hint="Unset AWS_ENDPOINT_URL, or set IMAGE_ASSETS_ENV=sandbox.",
                )
            return
        if not self.aws_endpoint_url:
            raise no_sandbox_error()
        if not is_loopback(self.aws_endpoint_url):
            raise SettingsError(
                f"AWS_ENDPOINT_URL is {self.aws_endpoint_url}, which is not on this machine, but IMAGE_ASSETS_ENV is "
                "sandbox.",
                hint="Set IMAGE_ASSETS_ENV=production to work on it.",
            )

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


_SANDBOX_PROVIDES = {
    *("s3_bucket", "requests_s3_bucket", "media_s3_bucket", "sqs_queue_url", "database_url", "catalog_database_url"),
    *("shopify_shop", "shopify_access_token", "plytix_api_key", "plytix_api_password"),
    *("enhanced_s3_bucket", "gemini_api_key", "api_tokens"),
}

_HINTS = {
    "s3_bucket": "Set it to the bucket that holds the deal images.",
    "media_s3_bucket": "Set it to the bucket that holds the product images of STOREFRONT_PREFIX.",
    "catalog_database_url": "Set it to the database of nav_items, e.g. mysql+pymysql://user:password@host/catalog.",
    "shopify_shop": "Set it to the shop's own domain, e.g. my-shop.myshopify.com.",
    "shopify_access_token": "Set it to an Admin API access token of the shop (shpat_...).",
    "plytix_api_key": "Set it to an API key of the account (Plytix, Settings, API credentials).",
    "plytix_api_password": "Set it to the password that belongs to PLYTIX_API_KEY.",
    "enhanced_s3_bucket": "Set it to the bucket that enhanced images go to.",
    "gemini_api_key": "Set it to an API key of Google AI Studio.",
    "api_tokens": "Set it to the tokens that may use the API, each with its owner's name: alice:long-random-text.",
    "sqs_queue_url": "Set it to the URL of the request queue.",
    "database_url": "Set it to the project's own PostgreSQL, e.g. postgresql+psycopg://user:password@host/image_assets.",
}


def variable_name(field: str) -> str:
    """The environment variable of a `Settings` field (the first of its names)."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias)


def load_settings() -> Settings:
    """Read and validate all settings from the environment.

    Raises:
        SettingsError: a value is wrong; the message names every variable that is, never its value if it is a secret.
    """
    root = checkout_root()
    env_file = root / ".env" if root else None
    try:
        return Settings(_env_file=env_file)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}" for problem in error.errors()
        )
        raise SettingsError(f"Wrong settings: {problems}.", hint="See .env.example for what each accepts.") from None


def settings_for(env: Mapping[str, str]) -> Settings:
    """Settings with ``env`` in place of the environment's variables of the same names, e.g. a sandbox's addresses."""
    return Settings.model_validate(dict(env))
