"""The flows of the canary tests through deals, storefront and marketplace: everything that goes wrong in them.

Here: command line, Dagster, alerts, the demo's report. Not here: the marks and the search for them (``canary.py``), the
systems (``canary_systems.py``), the enhancement and the web application (``canary_enhancement.py``), the generation
(``canary_generation.py``).
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from image_assets.build import build_definitions
from image_assets.cli import main
from image_assets.deals.apply import ApplyOptions
from image_assets.deals.assets import INVENTORY_KEY, PLAN_KEY, VARIANTS_KEY
from image_assets.deals.functions import layout_from
from image_assets.deals.model import DEAL_PREFIXES, ImageRef
from image_assets.deals.requests import Requests
from image_assets.deals.service import audit, generate
from image_assets.marketplace import assets as marketplace_assets
from image_assets.marketplace.partitions import MAPPING_FILES, amazon_mapping
from image_assets.orchestration.alerts import run_failures
from image_assets.orchestration.resources import FrameStoreResource, SettingsResource, default_resources
from image_assets.sandbox.demo import DemoPass
from image_assets.sandbox.demo_marketplace import product_cards, run_marketplace_pass
from image_assets.sandbox.demo_report import (
    EnhancementSection,
    GenerationSection,
    MarketplaceSection,
    OtherAreas,
    ReplacementSection,
    StorefrontSection,
    write_report,
)
from image_assets.sandbox.demo_storefront import gallery_cards, run_storefront_pass
from image_assets.sandbox.sample_marketplace import mapping_file
from image_assets.settings import Settings, load_settings
from image_assets.storefront import assets as storefront_assets
from image_assets.storefront.partitions import product_group
from image_assets.stores import aws as aws_store
from image_assets.stores.frames import FrameStore
from image_assets.stores.s3 import ObjectStore
from image_assets_tests.canary import SECRETS, SIGNATURE, Evidence, canary, environment, value_of
from image_assets_tests.canary_systems import BUCKET, GROUPS, Systems
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import error
from image_assets_tests.vendors.webhook import closed_port

GOOD, BROKEN, ABSENT = ImageRef(12345, 1), ImageRef(12346, 2), ImageRef(12347, 3)
DEALS = (INVENTORY_KEY, PLAN_KEY, VARIANTS_KEY)
STOREFRONT = tuple(asset.key for asset in storefront_assets.default_assets)
MARKETPLACE = tuple(asset.key for asset in marketplace_assets.default_assets)


class DefectiveFrames(FrameStoreResource):
    """A resource with a defect of its own: an error nobody foresaw, whose text holds a secret."""

    def store(self, settings: Settings) -> FrameStore:
        """Raise what no typed error covers."""
        raise KeyError(settings.require("aws_secret_access_key"))


class Flows:
    """Everything that goes wrong, on one server, state folder and Dagster instance."""

    def __init__(
        self,
        aws: Aws,
        instance: dg.DagsterInstance,
        folder: Path,
        evidence: Evidence,
        systems: Systems,
        photograph: bytes,
    ) -> None:
        self.aws, self.instance, self.folder, self.evidence = aws, instance, folder, evidence
        self.systems, self.photograph = systems, photograph

    def cli(self, name: str, *arguments: str | Path) -> None:
        """Run a command."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["image-assets", *map(str, arguments)])
            with pytest.raises(SystemExit) as caught:
                main()
        assert isinstance(caught.value.code, int)
        self.evidence.exit_codes[name] = caught.value.code

    def materialize(self, *keys: dg.AssetKey, partition: str = "12", **resources: Any) -> str:
        """Materialise without Dagster's own retries; returns the run id."""
        job = build_definitions(resources=resources).resolve_implicit_global_asset_job_def()
        subset = job.get_subset(asset_selection=set(keys))
        run = self.instance.create_run_for_job(
            subset,
            asset_selection=frozenset(keys),
            tags={"dagster/partition": partition} if partition else {},
            run_config={"execution": {"config": {"retries": {"disabled": {}}}}},
        )
        execute_run(InMemoryJob(subset), run, self.instance, raise_on_error=False)
        return run.run_id

    def run_job(self, name: str, partition: str = "", ops: Mapping[str, Any] | None = None) -> str:
        """Run a job without Dagster's own retries; returns the run id."""
        job = build_definitions().resolve_job_def(name)
        run = self.instance.create_run_for_job(
            job,
            tags={"dagster/partition": partition} if partition else {},
            run_config={"execution": {"config": {"retries": {"disabled": {}}}}, "ops": ops or {}},
        )
        execute_run(InMemoryJob(job), run, self.instance, raise_on_error=False)
        return run.run_id

    def tick(self, sensor: str, *resources: str) -> None:
        """Evaluate a sensor with the resources that it names, as the daemon does."""
        found, definitions = default_resources(), build_definitions()
        with dg.build_sensor_context(
            instance=self.instance, definitions=definitions, resources={name: found[name] for name in resources}
        ) as context:
            try:
                data = definitions.resolve_sensor_def(sensor).evaluate_tick(context)
                self.evidence.ticks += f"{data!r}\n"
            except Exception as failure:
                self.evidence.ticks += "".join(traceback.format_exception(failure)) + f"{failure!r}\n"

    def denied(self) -> None:
        """S3 denies everything."""
        for method in ("GET", "PUT", "HEAD", "POST"):
            self.aws.faults.inject(method, "/", error("403 Forbidden", "AccessDenied"), times=1_000)

    def command_line(self) -> None:
        """Audit, generate, doctor and setup, all failing in some way."""
        file = self.folder / "list.csv"
        rows = "".join(f"{ref.deal_id},{ref.image_id}\n" for ref in (GOOD, BROKEN, ABSENT))
        file.write_text(f"deal_id,image_id\n{rows}{canary(SECRETS[0])},1\n", encoding="utf-8")
        self.aws.faults.inject("PUT", "12345/1-email", error("403 Forbidden", "AccessDenied"), times=10)
        self.cli("generate", "deals", "generate", file)
        self.cli("generate --json", "deals", "generate", file, "--json")
        self.cli("generate, no file", "deals", "generate", self.folder / canary(SECRETS[0]))
        self.cli("doctor", "doctor")
        self.cli("doctor --json", "doctor", "--json")
        self.cli("setup", "setup")
        self.denied()
        self.cli("audit, denied", "deals", "audit", "--prefix", "12")
        self.cli("doctor, denied", "doctor")
        self.cli("generate, denied", "deals", "generate", file)
        self.aws.faults.clear()

    def storefront(self) -> None:
        """Sync with a dead catalog, a dead database, a token that is refused and a file that fails; then as it goes."""
        group, plan, systems = ("--group-ids", "CAN-1"), self.folder / "plan.json", self.systems
        systems.put_image(GROUPS["CAN-1"], self.photograph)
        self.cli("sync, dead catalog", "storefront", "sync", *group)
        with environment({"CATALOG_DATABASE_URL": systems.env["CATALOG_DATABASE_URL"]}):
            self.cli("sync, dead database", "storefront", "sync", *group)
        with environment(systems.env):
            systems.refuse()
            self.cli("sync, refused", "storefront", "sync", *group)
            self.cli("sync --json, refused", "storefront", "sync", *group, "--json")
            self.cli("doctor, refused", "doctor")
            systems.shopify.faults.clear()
            with systems.failing_media():
                self.cli("sync, failed file", "storefront", "sync", *group)
            with systems.failing_media():
                self.cli("sync --json, failed file", "storefront", "sync", *group, "--json")
            self.cli("sync --dry-run", "storefront", "sync", *group, "--dry-run", "--save-plan", plan)
            self.evidence.plan = plan.read_text("utf-8")
            self.cli("sync --plan", "storefront", "sync", "--plan", plan)
            self.cli("sync", "storefront", "sync", *group)
            with environment({"SHOPIFY_UPLOAD": "staged"}):
                systems.put_image(GROUPS["CAN-1"], self.photograph)
                self.cli("sync, staged", "storefront", "sync", *group)
        self.keep_signatures()

    def marketplace(self) -> None:
        """Sync with a dead Plytix, refused credentials, images that are refused; then as it goes; then unlink."""
        systems, plan = self.systems, self.folder / "market-plan.json"
        sync = ("marketplace", "sync", "--mapping", mapping_file("mca0032"))
        self.cli("market, dead database", *sync, "--execute")
        with environment(systems.env):
            with environment({"PLYTIX_BASE_URL": f"http://127.0.0.1:{closed_port()}"}):
                self.cli("market, dead", *sync, "--execute", "--json")
            with environment({"PLYTIX_API_PASSWORD": canary("plytix_outlet_api_password")}):
                self.cli("market, refused", *sync, "--execute")
                self.cli("doctor, market refused", "doctor")
            self.cli("market --dry-run", *sync, "--dry-run", "--save-plan", plan)
            self.evidence.plan += plan.read_text("utf-8")
            systems.quote_secrets("POST /assets", 422)
            self.cli("market, refused images", *sync, "--execute", "--report", self.folder / "market-report.json")
            self.evidence.plan += (self.folder / "market-report.json").read_text("utf-8")
            systems.plytix.faults.clear()
            self.cli("market", *sync, "--execute", "--json")
            self.cli("market, outlet", *sync, "--dry-run", "--plytix-account", "outlet")
            self.cli("market unlink", "marketplace", "unlink", "--sku", "AMZN-US-B0MCA32001", "--json")

    def marketplace_dagster(self) -> list[str]:
        """Runs of the marketplace's assets: refused credentials, refused images, success; and of its job."""
        self.instance.add_dynamic_partitions(str(amazon_mapping.name), ["out0007"])
        client = aws_store.make_client(load_settings(), "s3")
        client.put_object(Bucket=BUCKET, Key=MAPPING_FILES.key("out0007"), Body=mapping_file("out0007").read_bytes())
        runs: list[str] = []
        with environment(self.systems.env):
            with environment({"PLYTIX_API_PASSWORD": canary("plytix_outlet_api_password")}):
                runs.append(self.materialize(*MARKETPLACE, partition="out0007"))
            self.systems.quote_secrets("POST /assets", 422)
            runs.append(self.materialize(*MARKETPLACE, partition="out0007"))
            self.systems.plytix.faults.clear()
            runs.append(self.materialize(*MARKETPLACE, partition="out0007"))
        return runs

    def marketplace_page(self) -> MarketplaceSection:
        """The marketplace's part of the demo's report, of a pass with images that were refused."""
        with environment(self.systems.env):
            self.systems.quote_secrets("POST /assets", 422)
            linked = [run_marketplace_pass(load_settings())]
            self.systems.plytix.faults.clear()
            linked.append(run_marketplace_pass(load_settings()))
        return MarketplaceSection(linked[0], linked[1], product_cards(linked[1], self.folder / "page"))

    def keep_signatures(self) -> None:
        """Remember the signatures of the presigned addresses that S3 was asked with."""
        for _, path in self.aws.faults.requests:
            self.evidence.signatures.update(SIGNATURE.findall(path))

    def storefront_page(self) -> StorefrontSection:
        """The storefront's part of the demo's report, of a pass with a file that failed."""
        with environment(self.systems.env):
            self.systems.put_image(GROUPS["CAN-1"], self.photograph)
            with self.systems.failing_media():
                synced = [run_storefront_pass(load_settings())]
            synced.append(run_storefront_pass(load_settings()))
        self.keep_signatures()
        assert [demo.run.report.reasons["images_failed"] for demo in synced] == [1, 0]
        return StorefrontSection(synced[0], synced[1], gallery_cards(synced[1], self.folder / "page"))

    def dead(self, name: str) -> str:
        """A database that is not there, under its marked secret."""
        return value_of(name, "")

    def page(
        self, replacements: ReplacementSection, enhancement: EnhancementSection, generation: GenerationSection
    ) -> None:
        """The demo's report of a pass with failures whose messages name secrets."""
        settings = load_settings()
        store, layout = ObjectStore.from_settings(settings), layout_from(settings)
        demo = DemoPass()
        demo.plans = [found.plan for found in audit(store, layout, DEAL_PREFIXES[:3], workers=4)]
        demo.results = list(generate(store, layout, Requests.of([GOOD, BROKEN], "page"), ApplyOptions()))
        for result in demo.results:
            demo.requested.add(result.outcome)
        others = OtherAreas(replacements, self.storefront_page(), self.marketplace_page(), enhancement, generation)
        page = write_report(self.folder / "page", store, layout, demo, DemoPass(), others)
        self.evidence.page = page.read_text("utf-8")

    def dagster(self) -> list[str]:
        """Runs that fail for permanent, transient and unexpected reasons, and one with a failed image."""
        runs = [self.materialize(*DEALS)]
        self.denied()
        runs.append(self.materialize(INVENTORY_KEY))
        self.aws.faults.clear()
        self.aws.faults.inject("GET", "/", error("503 Slow Down", "SlowDown"), times=1_000)
        runs.append(self.materialize(INVENTORY_KEY))
        self.aws.faults.clear()
        runs.append(self.materialize(INVENTORY_KEY, frames=DefectiveFrames()))
        return runs

    def storefront_dagster(self) -> list[str]:
        """Runs of the storefront's assets and of its job that fail for each reason, and one of each that succeeds."""
        systems = self.systems
        self.instance.add_dynamic_partitions(str(product_group.name), list(GROUPS))
        runs = [self.materialize(*STOREFRONT, partition="CAN-2")]  # both databases are dead
        with environment(systems.env):
            systems.put_image(GROUPS["CAN-2"], self.photograph)
            systems.refuse()
            runs.append(self.materialize(*STOREFRONT, partition="CAN-2"))
            runs.append(self.run_job("storefront_sync"))
            systems.shopify.faults.clear()
            with systems.failing_media():
                runs.append(self.materialize(*STOREFRONT, partition="CAN-2"))
                runs.append(self.run_job("storefront_sync"))
            runs.append(self.materialize(*STOREFRONT, partition="CAN-2"))
            runs.append(self.run_job("storefront_sync"))
        self.keep_signatures()
        return runs

    def alerts(self, run_id: str) -> None:
        """The sensor for a failed run, on a webhook that refuses and on one that is down."""
        run = self.instance.get_run_by_id(run_id)
        records = self.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
        event = records[-1].event_log_entry.dagster_event
        assert run is not None
        assert event is not None
        context = dg.build_run_status_sensor_context(
            "run_failures", event, self.instance, run, resources={"settings": SettingsResource()}
        ).for_run_failure()
        with pytest.MonkeyPatch.context() as patch:
            for url in (None, f"http://127.0.0.1:{closed_port()}/{canary('alert_webhook_url')}"):
                if url:
                    patch.setenv("ALERT_WEBHOOK_URL", url)
                try:
                    run_failures(context)
                except Exception as failure:
                    self.evidence.errors.append("".join(traceback.format_exception(failure)) + repr(failure))
