"""Puts areas, resources and automation together into Dagster definitions.

Here: assembly, with overrides for tests and special deployments. Not here: any asset, resource or sensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from image_assets.deals import assets as deals_assets, automation as deals_automation
from image_assets.deals.repair import automation as repair_automation
from image_assets.deals.replacement import assets as replacement_assets, automation as replacement_automation
from image_assets.enhancement import assets as enhancement_assets, automation as enhancement_automation
from image_assets.generation import assets as generation_assets, automation as generation_automation
from image_assets.marketplace import assets as marketplace_assets, automation as marketplace_automation
from image_assets.orchestration.alerts import run_failures
from image_assets.orchestration.resources import default_resources
from image_assets.redaction import install_log_redaction
from image_assets.storefront import assets as storefront_assets, automation as storefront_automation


def build_definitions(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """A fresh `Definitions` object; ``resources`` replace the default ones of the same name.

    Reads no setting and no network: definitions load without secrets and without a sandbox.
    """
    install_log_redaction()
    assets = (
        *(deals_assets, replacement_assets, storefront_assets, marketplace_assets),
        *(enhancement_assets, generation_assets),
    )
    automation = (
        *(deals_automation, repair_automation, replacement_automation, storefront_automation),
        *(marketplace_automation, enhancement_automation, generation_automation),
    )
    return dg.Definitions(
        assets=[asset for area in assets for asset in area.default_assets],
        schedules=[schedule for area in automation for schedule in area.default_schedules],
        sensors=[*(sensor for area in automation for sensor in area.default_sensors), run_failures],
        jobs=[job for area in automation for job in area.default_jobs],
        resources={**default_resources(), **(resources or {})},
        # Threads inside an asset: a process per step would cost seconds.
        executor=dg.in_process_executor,
    )
