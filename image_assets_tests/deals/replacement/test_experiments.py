"""The experiments' record in Redshift: winners are read, and told that they are in their place."""

from __future__ import annotations

import psycopg
import pytest

from image_assets.deals.replacement.experiments import Experiments
from image_assets.deals.replacement.model import Candidate
from image_assets.errors import InputError, PermanentError, SettingsError, UnreachableError
from image_assets.settings import Settings
from image_assets.stores.redshift import connection_arguments, connector
from image_assets_tests.deals.replacement.conftest import Shop
from image_assets_tests.vendors.webhook import closed_port


def experiments(env: dict[str, str], query: str = "", **settings: str) -> Experiments:
    return Experiments(connector(connection_arguments(Settings.model_validate(env | settings))), query)


def test_those_in_test_are_found_each_once(replacement_env: dict[str, str], shop: Shop) -> None:
    for image_id, status in ((12, 1), (10, 1), (10, 1), (11, 3)):
        shop.tested(5, image_id, status=status)
    found = experiments(replacement_env).winners()
    assert found.found == [Candidate(10, 5), Candidate(12, 5)]
    assert found.rejected == []


def test_a_row_that_names_no_image_is_told_and_the_others_are_found(
    replacement_env: dict[str, str], shop: Shop
) -> None:
    for deal_id, image_id in ((5, None), (5, -3), (None, 12), (5, 13)):
        shop.tested(deal_id, image_id)
    found = experiments(replacement_env).winners()
    assert found.found == [Candidate(12, None), Candidate(13, 5)]
    assert [outcome.reason for outcome in found.rejected] == ["bad_row", "bad_row"]
    assert "None" in found.rejected[1].message or "None" in found.rejected[0].message


def test_a_query_of_ones_own_needs_one_column(replacement_env: dict[str, str], shop: Shop) -> None:
    shop.tested(5, 10)
    query = "SELECT original_image_id AS ORIGINAL_IMAGE_ID FROM temp.opt_image_variants"
    assert experiments(replacement_env, query).winners().found == [Candidate(10, None)]
    with pytest.raises(InputError, match="no original_image_id"):
        experiments(replacement_env, "SELECT 1 AS image").winners()
    with pytest.raises(InputError, match="has to be a SELECT"):
        experiments(replacement_env, "SET TIME ZONE 'UTC'").winners()
    with pytest.raises(PermanentError, match="refuses") as refused:
        experiments(replacement_env, "SELECT nothing FROM nowhere").winners()
    assert refused.value.code == "redshift_refused"


def test_only_what_is_in_test_is_marked_and_only_once(replacement_env: dict[str, str], shop: Shop) -> None:
    for image_id, status in ((10, 1), (11, 3), (12, 1), (13, 1)):
        shop.tested(5, image_id, status=status)
    record = experiments(replacement_env)
    assert record.mark_replaced([(10, 9001), (11, 9002), (12, 9003), (99, 9004)]) == 2
    assert shop.tests() == [(10, 3, 9001), (11, 3, None), (12, 3, 9003), (13, 1, None)]
    with psycopg.connect(shop.redshift) as connection:
        ended = connection.execute("SELECT exit_test_ts FROM temp.opt_image_variants WHERE original_image_id = 10")
        assert ended.fetchall()[0][0] is not None
    assert record.mark_replaced([(10, 8000)]) == 0
    assert record.mark_replaced([]) == 0
    assert shop.tests()[0] == (10, 3, 9001)


@pytest.mark.usefixtures("quick_retries")
def test_a_redshift_that_is_away_or_refuses_its_user_is_told(replacement_env: dict[str, str]) -> None:
    with pytest.raises(UnreachableError, match="Redshift can't be reached"):
        experiments(replacement_env, REDSHIFT_PORT=str(closed_port())).check()
    with pytest.raises(UnreachableError, match="password") as refused:
        experiments(replacement_env, REDSHIFT_PASSWORD="wrong-password").check()
    assert "wrong-password" not in str(refused.value)


def test_its_settings_are_asked_for_by_name_and_the_sandbox_stays_at_home(replacement_env: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="REDSHIFT_HOST is not on this machine"):
        experiments(replacement_env, REDSHIFT_HOST="cluster.example.com")
    production = replacement_env | {"IMAGE_ASSETS_ENV": "production", "REDSHIFT_DBNAME": ""}
    with pytest.raises(SettingsError, match="REDSHIFT_DBNAME is not set"):
        connection_arguments(Settings.model_validate(production))


@pytest.mark.usefixtures("quick_retries")
def test_connections_are_encrypted_unless_a_setting_says_otherwise(
    replacement_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDSHIFT_SSLMODE")
    plain = {name: value for name, value in replacement_env.items() if name != "REDSHIFT_SSLMODE"}
    assert connection_arguments(Settings.model_validate(plain))["sslmode"] == "require"
    with pytest.raises(UnreachableError, match="SSL"):
        experiments(plain).check()
