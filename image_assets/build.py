"""Puts areas, resources and automation together into Dagster definitions.

Here: assembly, with overrides for tests and special deployments. Not here: any asset, resource or sensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from image_assets.deals import assets as deals_assets, automation as deals_automation
from image_assets.orchestration.alerts import run_failures
from image_assets.orchestration.resources import default_resources
from image_assets.redaction import install_log_redaction
from image_assets.storefront import assets as storefront_assets, automation as storefront_automation


def build_definitions(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """A fresh `Definitions` object; ``resources`` replace the default ones of the same name.

    Reads no setting and no network: definitions load without secrets and without a sandbox.
    """
    install_log_redaction()
    return dg.Definitions(
        assets=[*deals_assets.default_assets, *storefront_assets.default_assets],
        schedules=[*deals_automation.default_schedules, *storefront_automation.default_schedules],
        sensors=[*deals_automation.default_sensors, *storefront_automation.default_sensors, run_failures],
        jobs=[*deals_automation.default_jobs, *storefront_automation.default_jobs],
        resources={**default_resources(), **(resources or {})},
        # Threads inside an asset: a process per step would cost seconds.
        executor=dg.in_process_executor,
    )
