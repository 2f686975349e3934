"""A whole sync from settings: catalog, groups, logs, metrics; what the command line, Dagster and the demo share.

Here: settings in, a `SyncRun` out. Not here: the sync itself (``service.py``), how a run is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from image_assets.errors import NotFoundError
from image_assets.report import Outcome, Report
from image_assets.settings import Settings
from image_assets.storefront.logs import write_logs
from image_assets.storefront.metrics import Metrics, measure
from image_assets.storefront.model import Mode
from image_assets.storefront.observe.catalog import Catalog
from image_assets.storefront.plan import MediaPlan
from image_assets.storefront.results import GroupResult
from image_assets.storefront.service import SyncOptions, plan_groups, sync
from image_assets.storefront.workplace import load_catalog, open_workplace

DEFAULT_WORKERS = 4


@dataclass
class SyncRun:
    """What became of a sync.

    Attributes:
        results: one per group, in the catalog's order.
        report: all outcomes, those of unusable catalog rows and unknown groups among them.
        metrics: spec 02's.
        logs: the log files that were written.
        s3_requests: what was asked of S3, by operation.
        seconds: wall time.
        skipped: groups an incremental sync did not look at in Shopify, as nothing changed since their last success.
    """

    results: list[GroupResult]
    report: Report
    metrics: Metrics
    logs: list[Path]
    s3_requests: Mapping[str, int]
    seconds: float
    skipped: int = 0

    @property
    def plans(self) -> list[MediaPlan]:
        """The plans that could be made."""
        return [result.plan for result in self.results if result.plan is not None]


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What to sync, and how.

    Attributes:
        group_ids: the groups; None for all of the catalog.
        mode: how far to go.
        workers: groups worked on at the same time.
        incremental: only groups that changed since their last success.
        dry_run: plan only.
        plans: carry out exactly these, by group.
    """

    group_ids: Sequence[str] | None
    mode: Mode = Mode.ADD
    workers: int = DEFAULT_WORKERS
    incremental: bool = False
    dry_run: bool = False
    plans: Mapping[str, MediaPlan] | None = None


def options_from(settings: Settings, mode: Mode, workers: int = DEFAULT_WORKERS) -> SyncOptions:
    """How to sync, as the settings say."""
    return SyncOptions(mode, settings.storefront_alt_text, workers, settings.shopify_media_patience_s)


def run_sync(
    settings: Settings,
    request: SyncRequest,
    *,
    on_start: Callable[[int], None] = lambda _: None,
    on_result: Callable[[GroupResult], None] = lambda _: None,
) -> SyncRun:
    """Sync groups and write the logs; a dry run reads only, and writes no log either.

    Args:
        settings: every system.
        request: what to sync.
        on_start: called with the number of groups.
        on_result: called with each group's result as it ends.

    Raises:
        SettingsError: a setting is missing, or no sandbox is running.
        UnreachableError, PermanentError, InputError: the catalog can't be read.
    """
    started = time.monotonic()
    catalog = load_catalog(settings, request.group_ids)
    report = Report([*catalog.rejected, *_unknown(catalog, request.group_ids)])
    groups = list(catalog.groups.values())
    options = options_from(settings, request.mode, request.workers)
    results: list[GroupResult] = []
    with open_workplace(settings) as work:
        on_start(len(groups))
        if request.dry_run:
            found = plan_groups(work, groups, options)
        else:
            found = sync(work, groups, options, incremental=request.incremental, plans=request.plans)
        for result in found:
            results.append(result)
            report.add(result.outcome)
            on_result(result)
        store = work.observer.store
        seconds = time.monotonic() - started
        metrics = measure(results, s3_requests=store.requests.counts, mutations=work.client.writes, seconds=seconds)
    place = {group_id: at for at, group_id in enumerate(catalog.groups)}
    results.sort(key=lambda result: place[result.group.id])
    logs = [] if request.dry_run else log_results(settings, results, store.url(""))
    return SyncRun(results, report, metrics, logs, dict(store.requests.counts), seconds, len(groups) - len(results))


def log_folder(settings: Settings) -> Path:
    """Where spec 02's log files go."""
    return settings.storefront_log_dir or settings.state_dir / "logs"


def log_results(settings: Settings, results: Sequence[GroupResult], bucket_url: str) -> list[Path]:
    """Write spec 02's log files; returns those that have a line."""
    return write_logs(log_folder(settings), results, bucket_url, datetime.now())  # noqa: DTZ005 - local time, as the spec's examples


def _unknown(catalog: Catalog, group_ids: Sequence[str] | None) -> list[Outcome]:
    """Groups that were asked for and that the catalog lacks."""
    return [
        Outcome.failed(
            group_id,
            NotFoundError(
                f"The catalog has no product group {group_id}.",
                code="unknown_group",
                hint="Check Web_Product_Group_ID.",
            ),
        )
        for group_id in group_ids or ()
        if group_id not in catalog.groups
    ]
