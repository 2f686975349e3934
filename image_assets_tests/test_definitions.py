"""The snapshot of everything Dagster knows by name, in every area.

It is a plain literal. Asset keys, partitions and names are a permanent contract: changing one renames history, so that
a change here must be on purpose.
"""

from __future__ import annotations

from datetime import UTC, datetime, time

import dagster as dg
import pytest

from image_assets.build import build_definitions

SNAPSHOT = {
    "assets": {
        "deals/image_inventory": ("deals", "deal_prefix", ()),
        "deals/image_variants": ("deals", "deal_prefix", ("complete", "exact_size", "no_failed_items")),
        "deals/missing_variants": ("deals", "deal_prefix", ("no_orphans",)),
        "deals/position_zero_images": ("deals", "none", ("complete", "no_failed_items", "positions")),
        "deals/replacement_candidates": ("deals", "none", ()),
        "deals/variant_requests": ("deals", "deal_request", ("no_failed_items",)),
        "enhancement/enhanced_images": (
            "enhancement",
            "intake_day",
            (
                *("daily_budget", "image_count", "image_size", "no_failed_products", "no_pending_without_images"),
                "objects_exist",
            ),
        ),
        "enhancement/prompts": ("enhancement", "intake_day", ()),
        "enhancement/requests": ("enhancement", "intake_day", ()),
        "generation/dashboard": ("generation", "none", ()),
        "generation/generated_images": (
            "generation",
            "provider",
            (
                *("daily_budget", "every_product_has_an_image", "failure_rate", "images_exist", "no_failed_items"),
                "nothing_stuck",
            ),
        ),
        "generation/queue": ("generation", "provider", ()),
        "marketplace/image_references": ("marketplace", "amazon_mapping", ()),
        "marketplace/plytix_asset_links": (
            "marketplace",
            "amazon_mapping",
            ("every_reference_linked", "no_failed_items", "one_asset_per_unique_image", "thumbnail_is_main"),
        ),
        "marketplace/plytix_assets": ("marketplace", "amazon_mapping", ()),
        "storefront/media_plan": ("storefront", "product_group", ()),
        "storefront/missing_images": ("storefront", "product_group", ("every_variant_has_images",)),
        "storefront/shopify_media": (
            "storefront",
            "product_group",
            ("featured_image", "no_duplicates", "no_failed_items", "order", "variants_have_primary_image"),
        ),
        "storefront/sku_images": ("storefront", "product_group", ()),
    },
    "sensors": {
        "amazon_mapping_files": "STOPPED",
        "deal_object_events": "STOPPED",
        "deal_request_files": "STOPPED",
        "deals_automation": "RUNNING",
        "enhancement_requests": "STOPPED",
        "generation_due": "STOPPED",
        "marketplace_automation": "RUNNING",
        "product_groups": "STOPPED",
        "run_failures": "RUNNING",
        "storefront_automation": "RUNNING",
    },
    "schedules": {
        "daily_marketplace_sync": ("STOPPED", "30 3 * * *", "UTC"),
        "daily_replacement_candidates": ("STOPPED", "30 4 * * *", "UTC"),
        "nightly_deals_audit": ("STOPPED", "30 1 * * *", "UTC"),
        "nightly_storefront_sync": ("STOPPED", "30 2 * * *", "UTC"),
        "outbox_relay": ("STOPPED", "* * * * *", "UTC"),
    },
    "jobs": {
        "enhance_products",
        "enhancement_redrive",
        "generate_images",
        "generation_purge_history",
        "generation_retry_failed",
        "marketplace_unlink",
        "relay_outbox",
        "repair_touched_deals",
        "replace_deal_images",
        "restore_deal_images",
        "retry_failed_deal_images",
        "storefront_sync",
    },
    "resources": {"database", "frames", "objects", "redshift", "s3", "settings", "sqs"},
    "partitions": {
        "amazon_mapping": "dynamic",
        "deal_prefix": [*map(str, range(10, 100)), *map(str, range(1, 10)), "other"],
        "deal_request": "dynamic",
        "intake_day": "every day since 2026-01-01 (UTC), today included",
        "none": "",
        "product_group": "dynamic",
        "provider": ["placeholder", "stable_diffusion", "dall_e", "gemini"],
    },
}
# What starts by itself when its parents are updated; the rest is started by a schedule, a sensor or a person.
AUTOMATED = {
    "deals/image_variants",
    "deals/missing_variants",
    "deals/position_zero_images",
    "marketplace/plytix_asset_links",
    "marketplace/plytix_assets",
    "storefront/media_plan",
    "storefront/missing_images",
    "storefront/shopify_media",
}


@pytest.fixture(scope="module")
def code_location() -> dg.Definitions:
    """The code location; loading it reads no setting."""
    return build_definitions()


def partitions_of(definition: dg.PartitionsDefinition[str] | None) -> tuple[str, list[str] | str]:
    """A partitions definition's name, and its keys; those without a name of their own have our word for it."""
    if definition is None:
        return "none", ""
    if isinstance(definition, dg.DailyPartitionsDefinition):
        today = datetime.now(UTC).date()
        first = definition.get_partition_keys(current_time=datetime.combine(today, time(), UTC))
        assert first[-1] == today.isoformat()
        return "intake_day", f"every day since {first[0]} ({definition.timezone}), today included"
    if isinstance(definition, dg.StaticPartitionsDefinition):
        keys = list(definition.get_partition_keys())
        return "provider" if "placeholder" in keys else "deal_prefix", keys
    assert isinstance(definition, dg.DynamicPartitionsDefinition)
    return str(definition.name), "dynamic"


def test_the_snapshot_of_keys_partitions_groups_checks_names_and_default_statuses(
    code_location: dg.Definitions,
) -> None:
    repository = code_location.get_repository_def()
    graph = code_location.resolve_asset_graph()
    keys = graph.get_all_asset_keys()
    checks = {
        key: tuple(sorted(check.name for check in graph.asset_check_keys if check.asset_key == key)) for key in keys
    }
    partitions = {key: partitions_of(graph.get(key).partitions_def) for key in keys}
    assert {
        "assets": {key.to_user_string(): (graph.get(key).group_name, partitions[key][0], checks[key]) for key in keys},
        "sensors": {sensor.name: sensor.default_status.value for sensor in repository.sensor_defs},
        "schedules": {
            schedule.name: (schedule.default_status.value, schedule.cron_schedule, schedule.execution_timezone)
            for schedule in repository.schedule_defs
        },
        "jobs": {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")},
        "resources": set(repository.get_top_level_resources()),
        "partitions": dict(partitions.values()),
    } == SNAPSHOT


def test_every_asset_says_what_it_is_and_only_what_follows_an_observation_starts_by_itself(
    code_location: dg.Definitions,
) -> None:
    graph = code_location.resolve_asset_graph()
    assert all(graph.get(key).description for key in graph.get_all_asset_keys())
    automated = {key for key in graph.get_all_asset_keys() if graph.get(key).automation_condition is not None}
    assert {key.to_user_string() for key in automated} == AUTOMATED


def test_everything_that_starts_runs_says_what_for(code_location: dg.Definitions) -> None:
    repository = code_location.get_repository_def()
    texts = {sensor.name: sensor.description for sensor in repository.sensor_defs}
    texts |= {schedule.name: schedule.description for schedule in repository.schedule_defs}
    texts |= {job.name: job.description for job in repository.get_all_jobs() if not job.name.startswith("__")}
    # An automation sensor is described by the conditions of its assets.
    assert {name for name, text in texts.items() if not text} == {
        "deals_automation",
        "marketplace_automation",
        "storefront_automation",
    }
