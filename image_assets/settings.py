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
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from image_assets.errors import SettingsError
from image_assets.paths import checkout_root, default_state_dir
from image_assets.redaction import register_secret
from image_assets.settings_guards import guard_database, is_loopback, no_sandbox_error, parse_tokens
from image_assets.settings_sources import (
    SandboxSource,
    VariablesSource,
    read_sandbox_env,
    sandbox_file,
)
from image_assets.settings_vendors import PlytixAccount, VendorSettings

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
_PRODUCT_BUCKETS = ("MEDIA_S3_BUCKET", "ENHANCED_S3_BUCKET", "GENERATION_S3_BUCKET")


class Settings(VendorSettings):
    """All settings; build it with `load_settings`. Field aliases are the environment variables' names."""

    state_dir: Path = Field(default_factory=default_state_dir, validation_alias="IMAGE_ASSETS_STATE_DIR")
    frames_url: str = Field("", validation_alias="FRAMES_URL")

    aws_region: str = Field("us-east-1", validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"))
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

    deals_prefix: str = Field("images/deal/", validation_alias="DEALS_PREFIX")
    deals_variant_set: str = Field("deals", validation_alias="DEALS_VARIANT_SET")
    deals_s3_inventory: str = Field("", validation_alias="DEALS_S3_INVENTORY")
    deals_events_queue_url: str | None = Field(None, validation_alias="DEALS_EVENTS_QUEUE_URL")
    deals_workers: int = Field(8, ge=1, le=64, validation_alias="DEALS_WORKERS")
    deals_check_sample: int = Field(5, ge=0, le=10_000, validation_alias="DEALS_CHECK_SAMPLE")

    # Spec 01, "Oracle Database" and "Redshift": the deals database and the experiments of position-zero replacement.
    deals_database_url: SecretStr | None = Field(None, validation_alias="DEALS_DATABASE_URL")
    oracle_user: str | None = Field(None, validation_alias="ORACLE_USER")
    oracle_password: SecretStr | None = Field(None, validation_alias="ORACLE_PASSWORD")
    oracle_dsn: str | None = Field(None, validation_alias="ORACLE_DSN")
    redshift_host: str | None = Field(None, validation_alias="REDSHIFT_HOST")
    redshift_port: int = Field(5439, ge=1, le=65535, validation_alias="REDSHIFT_PORT")
    redshift_dbname: str | None = Field(None, validation_alias="REDSHIFT_DBNAME")
    redshift_user: str | None = Field(None, validation_alias="REDSHIFT_USER")
    redshift_password: SecretStr | None = Field(None, validation_alias="REDSHIFT_PASSWORD")
    redshift_sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = Field(
        "require", validation_alias="REDSHIFT_SSLMODE"
    )
    redshift_candidates_query: str = Field("", validation_alias="REDSHIFT_CANDIDATES_QUERY")
    replacement_source_key: str = Field(
        "images/deal/{deal_id}/{image_id}00000.jpg", validation_alias="REPLACEMENT_SOURCE_KEY"
    )
    replacement_sequence: str = Field(
        "deal_voucher_image_seq",
        pattern=r"^[a-z][a-z0-9_$]{0,127}$",
        validation_alias="REPLACEMENT_SEQUENCE",
    )
    # Spec 01: "Main script: 15-25 workers for image replacement".
    replacement_workers: int = Field(15, ge=1, le=64, validation_alias="REPLACEMENT_WORKERS")

    media_s3_bucket: str | None = Field(None, validation_alias="MEDIA_S3_BUCKET")
    storefront_prefix: str = Field("sorted-media/", validation_alias="STOREFRONT_PREFIX")
    storefront_workers: int = Field(10, ge=1, le=64, validation_alias="STOREFRONT_WORKERS")
    storefront_min_side: int = Field(200, ge=1, le=5000, validation_alias="STOREFRONT_MIN_SIDE")
    storefront_alt_text: str = Field(
        "{Image_SKU} - Image {n}", min_length=1, max_length=400, validation_alias="STOREFRONT_ALT_TEXT"
    )
    storefront_log_dir: Path | None = Field(None, validation_alias="STOREFRONT_LOG_DIR")
    catalog_query: str = Field("", validation_alias="CATALOG_QUERY")

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

    generation_s3_bucket: str | None = Field(None, validation_alias="GENERATION_S3_BUCKET")
    generation_prefix: str = Field("generated/", validation_alias="GENERATION_PREFIX")
    # Spec 05: "placeholder  # or stable_diffusion, dall_e"; what is queued without naming a provider goes to this one.
    generation_provider: str = Field(
        "placeholder", pattern=r"^[a-z0-9_]+$", validation_alias="IMAGE_GENERATION_PROVIDER"
    )
    generation_prompts: str = Field("default", validation_alias="GENERATION_PROMPTS")
    generation_min_side: int = Field(512, ge=16, le=4096, validation_alias="GENERATION_MIN_SIDE")
    generation_workers: int = Field(4, ge=1, le=64, validation_alias="GENERATION_WORKERS")

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
        return (init_settings, sandbox, VariablesSource(settings_cls, env_settings, dotenv_settings))

    @model_validator(mode="before")
    @classmethod
    def _buckets(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Let one bucket serve where only one is named; specs 01 and 02 both call theirs AWS_S3_BUCKET."""
        common = values.get("AWS_S3_BUCKET")
        deals = values.get("S3_BUCKET_NAME") or common
        own = {name: values.get(name) or common or deals for name in _PRODUCT_BUCKETS}
        return {**values, "S3_BUCKET_NAME": deals, **own}

    @field_validator("state_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError(
                f"must be an absolute path, not {str(value)!r}: a relative one would follow the working directory and "
                "silently make a second instance"
            )
        return value

    @field_validator("deals_prefix", "storefront_prefix", "enhanced_prefix", "generation_prefix")
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

    @field_validator("replacement_source_key")
    @classmethod
    def _source_key(cls, value: str) -> str:
        try:
            found = {value.format(deal_id=deal, image_id=image) for deal, image in ((1, 2), (1, 3), (4, 2))}
        except (KeyError, IndexError, ValueError, AttributeError):
            found = set[str]()
        if len(found) != 3 or value.startswith("/"):
            raise ValueError(f"must hold {{deal_id}} and {{image_id}} and no other field, not {value!r}")
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

    def require_deals_database(self) -> None:
        """Guard the deals database: what is put first there must have its files in the bucket of the same environment.

        Raises:
            SettingsError: no sandbox is running, the database does not belong to it, or both ways to name one are used.
        """
        named = self.deals_database_url is not None
        if self.environment == "sandbox":
            guard_database("DEALS_DATABASE_URL", self.require("deals_database_url"))
        elif named and self.oracle_dsn:
            raise SettingsError("DEALS_DATABASE_URL and ORACLE_DSN are both set.", hint="Unset the one you don't mean.")
        elif not named:
            for field in ("oracle_dsn", "oracle_user", "oracle_password"):
                self.require(field)

    def require_redshift(self) -> None:
        """Guard Redshift likewise. Raises as `require_deals_database`."""
        for field in ("redshift_host", "redshift_dbname", "redshift_user", "redshift_password"):
            self.require(field)
        if self.environment == "sandbox":
            guard_database("REDSHIFT_HOST", f"redshift://{self.require('redshift_host')}")


def variable_name(field: str) -> str:
    """The environment variable of a `Settings` field (the first of its names)."""
    return Settings.variable_name(field)


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
