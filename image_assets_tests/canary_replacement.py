"""The flows of the canary tests through position-zero replacement, and what goes wrong on the way.

Here: databases that are dead or refuse their user, candidates that fail, in the command line, in Dagster and in the
demo's report. Not here: the marks and the search for them (``canary.py``), what must be found (``test_canary.py``).
"""

from __future__ import annotations

from image_assets.deals.replacement.assets import CANDIDATES_KEY, IMAGES_KEY
from image_assets.sandbox.demo_replacements import replacement_cards, run_replacement_pass
from image_assets.sandbox.demo_report import ReplacementSection
from image_assets.settings import load_settings
from image_assets.stores import aws as aws_store
from image_assets_tests.canary import canary, environment
from image_assets_tests.canary_flows import Flows
from image_assets_tests.canary_systems import BUCKET

# Of the sample deals: two with a source in the bucket; the other candidates fail.
ONE, ANOTHER = (50505, 1760001), (12350, 1713001)


class ReplacementFlows:
    """Replacements without databases, with a password that is refused, and as it goes.

    Args:
        flows: the server, state folder and Dagster instance of all areas.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows

    def run(self) -> list[str]:
        """Everything but the demo's part; returns the runs of Dagster."""
        flows, replace = self._flows, ("deals", "replace")
        flows.cli("replace, no redshift", *replace, "--from-experiments")
        runs = [flows.materialize(CANDIDATES_KEY, partition="")]
        with environment(flows.systems.env):
            with environment({"REDSHIFT_PASSWORD": canary("redshift_password") + "-of-another"}):
                flows.cli("replace, refused", *replace, "--from-experiments")
                runs.append(flows.materialize(CANDIDATES_KEY, partition=""))
            self._put(*ONE)
            flows.cli("replace --dry-run", *replace, "--from-experiments", "--dry-run")
            flows.cli("replace", *replace, "--from-experiments", "--json")
            flows.cli("restore", "deals", "restore", str(ONE[1]))
            runs.append(flows.materialize(CANDIDATES_KEY, IMAGES_KEY, partition=""))
        with environment({**flows.systems.env, "DEALS_DATABASE_URL": flows.dead("deals_database_url")}):
            flows.cli("replace, dead database", *replace, "1760001")
            runs.append(flows.materialize(IMAGES_KEY, partition=""))
        return runs

    def section(self) -> ReplacementSection:
        """Position zero in the demo's report, of a pass with candidates that fail."""
        with environment(self._flows.systems.env):
            self._put(*ANOTHER)
            settings = load_settings()
            placed = [run_replacement_pass(settings) for _ in range(2)]
            cards = replacement_cards(settings, placed[0], self._flows.folder / "page")
        assert [len(demo.replaced) for demo in placed] == [1, 0]
        return ReplacementSection(placed[0], placed[1], cards)

    def _put(self, deal_id: int, image_id: int) -> None:
        client = aws_store.make_client(load_settings(), "s3")
        key = f"images/deal/{deal_id}/{image_id}00000.jpg"
        client.put_object(Bucket=BUCKET, Key=key, Body=self._flows.photograph)
