"""Settings as a person meets them: where each value comes from, what is refused, and what the refusal says.

A running sandbox is played by its two files, the record of addresses and a held lock, as a real one leaves them; the
``.env`` file of the precedence tests is one in a temporary folder, so that the clone's own is never touched.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr

from image_assets import settings as settings_module
from image_assets.errors import SettingsError
from image_assets.redaction import MASK, redact
from image_assets.settings import (
    Settings,
    load_settings,
    no_sandbox_error,
    read_sandbox_env,
    sandbox_file,
    settings_for,
    variable_name,
)

SANDBOX = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
    "AWS_ACCESS_KEY_ID": "SANDBOXACCESSKEY",
    "AWS_SECRET_ACCESS_KEY": "sandbox-secret-access-key",
    "AWS_REGION": "us-east-1",
    "S3_BUCKET_NAME": "sandbox-bucket",
    "REQUESTS_S3_BUCKET": "sandbox-requests",
}
NUMBERS = ("DEALS_WORKERS", "DEALS_CHECK_SAMPLE", "MAX_IMAGE_PIXELS")


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder, so that a sandbox the developer runs is not found."""
    folder = tmp_path / "state"
    monkeypatch.setenv("IMAGE_ASSETS_STATE_DIR", str(folder))
    return folder


def record_sandbox(state_dir: Path) -> None:
    target = sandbox_file(state_dir)
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps({"pid": os.getpid(), "env": SANDBOX}), encoding="utf-8")


@pytest.fixture
def sandbox(state_dir: Path) -> Iterator[None]:
    """A sandbox that runs: its record, and the lock its process holds."""
    record_sandbox(state_dir)
    with sandbox_file(state_dir).with_name("lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / "dotenv"


def with_dotenv(file: Path, **values: str) -> Settings:
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    return Settings(_env_file=file)


@pytest.mark.usefixtures("sandbox")
def test_a_running_sandbox_is_used_by_itself() -> None:
    settings = load_settings()
    assert settings.environment == "sandbox"
    assert settings.aws_endpoint_url == SANDBOX["AWS_ENDPOINT_URL"]
    assert settings.require_bucket() == "sandbox-bucket"
    assert settings.require("aws_secret_access_key") == SANDBOX["AWS_SECRET_ACCESS_KEY"]


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("name", ["S3_BUCKET_NAME", "AWS_S3_BUCKET"])
@pytest.mark.parametrize("region", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_a_running_sandbox_comes_as_one_set_before_the_shells_leftovers(
    monkeypatch: pytest.MonkeyPatch, name: str, region: str, dotenv: Path
) -> None:
    monkeypatch.setenv(name, "bucket-of-the-shell")
    monkeypatch.setenv(region, "eu-west-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key-of-the-shell")
    settings = with_dotenv(dotenv, REQUESTS_S3_BUCKET="requests-of-the-file", DEALS_WORKERS="3")
    assert settings.s3_bucket == "sandbox-bucket"
    assert settings.aws_region == "us-east-1"
    assert settings.requests_s3_bucket == "sandbox-requests"
    assert settings.require("aws_secret_access_key") == SANDBOX["AWS_SECRET_ACCESS_KEY"]
    assert settings.deals_workers == 3  # what a sandbox says nothing about comes from where it always comes from


@pytest.mark.usefixtures("sandbox")
def test_an_endpoint_in_the_environment_turns_the_sandbox_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("S3_BUCKET_NAME", "mine")
    settings = load_settings()
    assert settings.aws_endpoint_url == "http://127.0.0.1:9000"
    assert settings.s3_bucket == "mine"
    assert settings.aws_access_key_id is None


@pytest.mark.usefixtures("sandbox")
def test_an_endpoint_in_dotenv_turns_the_sandbox_off(dotenv: Path) -> None:
    settings = with_dotenv(dotenv, AWS_ENDPOINT_URL="http://127.0.0.1:9000")
    assert settings.aws_endpoint_url == "http://127.0.0.1:9000"
    assert settings.s3_bucket is None


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("in_file", [True, False])
def test_production_never_reads_the_sandbox(monkeypatch: pytest.MonkeyPatch, dotenv: Path, in_file: bool) -> None:
    if in_file:
        settings = with_dotenv(dotenv, IMAGE_ASSETS_ENV="production")
    else:
        monkeypatch.setenv("IMAGE_ASSETS_ENV", "production")
        settings = load_settings()
    assert settings.environment == "production"
    assert settings.aws_endpoint_url is None
    assert settings.s3_bucket is None
    assert settings.aws_secret_access_key is None


def test_the_environment_comes_before_dotenv(monkeypatch: pytest.MonkeyPatch, dotenv: Path) -> None:
    monkeypatch.setenv("DEALS_PREFIX", "from/the/environment/")
    settings = with_dotenv(dotenv, DEALS_PREFIX="from/dotenv/", DEALS_CHECK_SAMPLE="7")
    assert settings.deals_prefix == "from/the/environment/"
    assert settings.deals_check_sample == 7


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch, dotenv: Path) -> None:
    monkeypatch.setenv("DEALS_WORKERS", "")
    monkeypatch.setenv("DATABASE_URL", "")
    settings = with_dotenv(dotenv, DEALS_WORKERS="5")
    assert settings.deals_workers == 5
    assert settings.database_url is None


def test_the_record_of_a_sandbox_that_died_is_not_used(state_dir: Path) -> None:
    record_sandbox(state_dir)
    sandbox_file(state_dir).with_name("lock").touch()  # nobody holds it
    assert read_sandbox_env(state_dir) is None
    assert load_settings().aws_endpoint_url is None


@pytest.mark.parametrize("name", ["S3_BUCKET_NAME", "AWS_S3_BUCKET"])
def test_the_bucket_may_go_by_either_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "my-bucket")
    assert load_settings().s3_bucket == "my-bucket"


def test_s3_bucket_name_wins_over_aws_s3_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_S3_BUCKET", "second")
    monkeypatch.setenv("S3_BUCKET_NAME", "first")
    assert load_settings().s3_bucket == "first"


def test_aws_region_wins_over_aws_default_region(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().aws_region == "us-east-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert load_settings().aws_region == "eu-central-1"
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    assert load_settings().aws_region == "eu-west-2"


def test_given_values_replace_the_environments_under_every_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_S3_BUCKET", "of-the-shell")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    settings = settings_for({"S3_BUCKET_NAME": "given", "AWS_REGION": "us-west-2"})
    assert (settings.s3_bucket, settings.aws_region) == ("given", "us-west-2")


def test_a_relative_state_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_ASSETS_STATE_DIR", "state")
    with pytest.raises(SettingsError, match=r"IMAGE_ASSETS_STATE_DIR: .*must be an absolute path, not 'state'"):
        load_settings()


@pytest.mark.parametrize("prefix", ["/images/", "images/deal"])
def test_a_deals_prefix_needs_its_slash_at_the_end_and_none_in_front(
    monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv("DEALS_PREFIX", prefix)
    with pytest.raises(SettingsError, match=r"DEALS_PREFIX: .*must end with / and not start with one"):
        load_settings()


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["many", "-1", "99999999999", "1.5"])
def test_a_wrong_number_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"Wrong settings: {name}: ") as caught:
        load_settings()
    assert caught.value.permanent
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_all_wrong_values_are_named_at_once_and_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NUMBERS:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("IMAGE_ASSETS_ENV", "staging")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never-print-this-key")
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://user:never-print-this-password@host/db")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert all(name in message for name in (*NUMBERS, "IMAGE_ASSETS_ENV"))
    assert "never-print-this" not in message


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20))
def test_any_wrong_number_is_a_settings_error(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEALS_WORKERS", text)
        try:
            assert 1 <= load_settings().deals_workers <= 64
        except SettingsError as error:
            assert "DEALS_WORKERS" in error.message  # noqa: PT017 - either outcome is right, nothing else is


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000", "http://localhost:5000", "http://[::1]:5000"])
def test_production_refuses_a_stand_in(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("IMAGE_ASSETS_ENV", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("S3_BUCKET_NAME", "bucket")
    with pytest.raises(SettingsError, match=r"AWS_ENDPOINT_URL is .* but IMAGE_ASSETS_ENV is production"):
        load_settings().require_bucket()


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.eu-west-1.amazonaws.com",
        "http://10.0.0.1:9000",
        "http://localhost.example.com",
        "nonsense",
        "http://[::1",
    ],
)
def test_the_sandbox_refuses_an_endpoint_that_is_not_on_this_machine(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("S3_BUCKET_NAME", "bucket")
    with pytest.raises(SettingsError, match=r"AWS_ENDPOINT_URL is .* not on this machine, but .* is sandbox"):
        load_settings().require_bucket()


def test_production_accepts_aws_and_a_remote_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_ASSETS_ENV", "production")
    monkeypatch.setenv("S3_BUCKET_NAME", "bucket")
    assert load_settings().require_bucket() == "bucket"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://minio.example.com")
    assert load_settings().require_bucket() == "bucket"


@pytest.mark.parametrize("bucket", ["bucket", ""])
def test_without_a_sandbox_one_sentence_says_to_start_it(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    monkeypatch.setenv("S3_BUCKET_NAME", bucket)
    with pytest.raises(SettingsError) as caught:
        load_settings().require_bucket()
    assert str(caught.value) == str(no_sandbox_error())
    assert str(caught.value).startswith("No sandbox is running: start it with `image-assets sandbox up`")
    assert caught.value.code == "no_sandbox"
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize("field", ["s3_bucket", "sqs_queue_url", "database_url", "requests_s3_bucket"])
def test_require_says_to_start_the_sandbox_for_what_it_provides(field: str) -> None:
    with pytest.raises(SettingsError, match="No sandbox is running"):
        load_settings().require(field)


@pytest.mark.parametrize("field", ["s3_bucket", "sqs_queue_url", "database_url", "alert_webhook_url"])
def test_require_names_the_variable_in_production(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    monkeypatch.setenv("IMAGE_ASSETS_ENV", "production")
    with pytest.raises(SettingsError, match=rf"^{variable_name(field)} is not set\.") as caught:
        load_settings().require(field)
    assert caught.value.hint


def test_require_names_the_variable_of_what_no_sandbox_provides() -> None:
    with pytest.raises(SettingsError, match=r"^ALERT_WEBHOOK_URL is not set\."):
        load_settings().require("alert_webhook_url")


def test_require_returns_the_plain_value_of_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://u:plain-password@h/d")
    assert load_settings().require("database_url") == "postgresql+psycopg://u:plain-password@h/d"


def test_every_secret_setting_is_registered_for_redaction_and_hidden_in_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        variable_name(name): f"registered-{name}"
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert {"AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "ALERT_WEBHOOK_URL"} <= set(secrets)
    for name, value in secrets.items():
        monkeypatch.setenv(name, f"alice:{value}" if name == "API_TOKENS" else value)
    settings = load_settings()
    for value in secrets.values():
        assert redact(f"<{value}>") == f"<{MASK}>"
        assert value not in repr(settings)
        assert value not in str(settings.model_dump())
    assert all(isinstance(getattr(settings, name), SecretStr) for name in ("database_url", "alert_webhook_url"))


def test_frames_live_below_the_state_folder_unless_they_are_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    assert load_settings().frames_location == str(state_dir / "frames")
    monkeypatch.setenv("FRAMES_URL", "s3://bucket/prefix")
    assert load_settings().frames_location == "s3://bucket/prefix"


def test_every_field_has_a_variable_of_its_own() -> None:
    names = [variable_name(field) for field in Settings.model_fields]
    assert len(set(names)) == len(names)
    assert all(name.isupper() for name in names)
    assert settings_module.sandbox_file(Path("/s")) == Path("/s/sandbox/env.json")


@pytest.mark.parametrize(
    ("named", "deals", "media"),
    [
        ({"S3_BUCKET_NAME": "one"}, "one", "one"),
        ({"AWS_S3_BUCKET": "one"}, "one", "one"),
        ({"S3_BUCKET_NAME": "deals", "AWS_S3_BUCKET": "media"}, "deals", "media"),
        ({"AWS_S3_BUCKET": "deals", "MEDIA_S3_BUCKET": "media"}, "deals", "media"),
        ({"MEDIA_S3_BUCKET": "media"}, None, "media"),
    ],
)
def test_one_bucket_serves_where_only_one_is_named(named: dict[str, str], deals: str | None, media: str | None) -> None:
    settings = Settings.model_validate(named)
    assert (settings.s3_bucket, settings.media_s3_bucket) == (deals, media)


@pytest.mark.parametrize("text", ["{sku}", "{Image_SKU", "{0}", "{n.x}"])
def test_an_alt_text_with_unknown_fields_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOREFRONT_ALT_TEXT", text)
    with pytest.raises(SettingsError, match="STOREFRONT_ALT_TEXT"):
        load_settings()


def test_a_shop_on_this_machine_and_production_do_not_meet() -> None:
    production = {"IMAGE_ASSETS_ENV": "production", "SHOPIFY_SHOP": "s.myshopify.com"}
    Settings.model_validate(production).require_shopify()
    with pytest.raises(SettingsError, match="stand-in on this machine"):
        Settings.model_validate(production | {"SHOPIFY_BASE_URL": "http://127.0.0.1:1"}).require_shopify()
    with pytest.raises(SettingsError, match="not on this machine"):
        Settings.model_validate(
            {"SHOPIFY_SHOP": "s.myshopify.com", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
        ).require_shopify()
    with pytest.raises(SettingsError, match="No sandbox is running"):
        Settings.model_validate({"SHOPIFY_SHOP": "s.myshopify.com"}).require_shopify()
    Settings.model_validate({"SHOPIFY_BASE_URL": "http://127.0.0.1:1"}).require_shopify()


# --- Plytix accounts


def test_further_plytix_accounts_are_found_by_their_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLYTIX_API_KEY", "key-of-the-first")
    monkeypatch.setenv("PLYTIX_API_PASSWORD", "password-of-the-first")
    monkeypatch.setenv("PLYTIX_OUTLET_EU_API_KEY", "key-of-the-outlet")
    monkeypatch.setenv("PLYTIX_OUTLET_EU_API_PASSWORD", "password-of-the-outlet")
    settings = load_settings()
    key, password = settings.plytix_credentials()
    assert (key, password.get_secret_value()) == ("key-of-the-first", "password-of-the-first")
    key, password = settings.plytix_credentials("Outlet_EU")
    assert (key, password.get_secret_value()) == ("key-of-the-outlet", "password-of-the-outlet")
    assert redact("key-of-the-outlet password-of-the-outlet") == f"{MASK} {MASK}"
    assert "of-the-outlet" not in repr(settings)


@pytest.mark.parametrize(
    ("env", "account", "said"),
    [
        ({}, "outlet", r"PLYTIX_OUTLET_API_KEY is not set\. .* accounts there are: none"),
        ({"PLYTIX_OUTLET_API_KEY": "a-key"}, "outlet", r"PLYTIX_OUTLET_API_PASSWORD is not set"),
        ({"PLYTIX_OUTLET_API_PASSWORD": "secret"}, "outlet", r"PLYTIX_OUTLET_API_KEY is not set"),
        ({"PLYTIX_EU_API_KEY": "a", "PLYTIX_EU_API_PASSWORD": "b"}, "outlet", r"accounts there are: eu\."),
        ({"IMAGE_ASSETS_ENV": "production", "PLYTIX_API_KEY": "a-key"}, "", r"PLYTIX_API_PASSWORD is not set"),
    ],
)
def test_a_missing_account_is_named_by_its_variable(env: dict[str, str], account: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings_for(env).plytix_credentials(account)


def test_a_sandbox_never_talks_to_plytix_and_production_never_to_a_stand_in() -> None:
    local = {"PLYTIX_BASE_URL": "http://127.0.0.1:1", "PLYTIX_AUTH_URL": "http://127.0.0.1:2"}
    settings_for(local).require_plytix()
    settings_for({"IMAGE_ASSETS_ENV": "production"}).require_plytix()
    with pytest.raises(SettingsError, match="stand-in on this machine"):
        settings_for({**local, "IMAGE_ASSETS_ENV": "production"}).require_plytix()
    with pytest.raises(
        SettingsError, match=r"PLYTIX_AUTH_URL is https://auth\.plytix\.com, which is not on this machine"
    ):
        settings_for({**local, "PLYTIX_AUTH_URL": "https://auth.plytix.com"}).require_plytix()


def test_image_hosts_are_a_list_with_commas() -> None:
    assert settings_for({"IMAGE_HOSTS": " a.example , *.b.example,"}).allowed_image_hosts == (
        "a.example",
        "*.b.example",
    )
    assert settings_for({}).allowed_image_hosts == ()


def test_tokens_have_owners() -> None:
    settings = settings_for({"API_TOKENS": "alice:a-token-of-alice-1, bob@shop.example:b:token-of-bob-23 ,"})
    tokens = {name: token.get_secret_value() for name, token in settings.tokens.items()}
    assert tokens == {"alice": "a-token-of-alice-1", "bob@shop.example": "b:token-of-bob-23"}
    assert settings_for({}).tokens == {}
    assert redact("Bearer b:token-of-bob-23") == f"Bearer {MASK}"


@pytest.mark.parametrize(
    "text",
    [
        "no-name-but-a-long-token",
        "alice:too-short",
        "alice:first-long-token-1,alice:other-long-token-2",
        "alice:one-token-for-two,bob:one-token-for-two",
        "al ice:a-long-enough-token",
        "alice:a-token with a blank in it",
    ],
)
def test_wrong_tokens_are_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("API_TOKENS", text)
    with pytest.raises(SettingsError, match="API_TOKENS") as caught:
        load_settings()
    assert not any(token in str(caught.value) for token in ("token-1", "short", "for-two", "enough", "blank"))
