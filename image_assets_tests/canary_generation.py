"""The flows of the canary tests through the generation area, and what goes wrong on the way.

Here: refusals of image makers that quote their keys, on the command line, in Dagster, through the endpoint, on the
review page and in the demo's report. Not here: the marks and the search for them (``canary.py``), what must be found,
and what not (``test_canary.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

import sqlalchemy as sa

from image_assets.generation import tables
from image_assets.generation.config import seed
from image_assets.sandbox.demo_generation import assignments, generation_cards, plot_of, run_generation_pass
from image_assets.sandbox.demo_report import GenerationSection
from image_assets.sandbox.sample_generation import SampleProduct, sample_products
from image_assets.sandbox.web import serving
from image_assets.settings import load_settings
from image_assets.stores.database import make_engine
from image_assets.web.app import create_app
from image_assets.web.generator import PATH
from image_assets_tests.canary import canary, environment, token_of
from image_assets_tests.canary_enhancement import Site
from image_assets_tests.canary_flows import Flows

_TABLES = (
    *(tables.queue, tables.history, tables.costs, tables.images, tables.decisions),
    *(tables.provider_config, tables.schedule),
)
# Of both makers with keys of their own: so many products for all flows but the demo's, which has one of every provider.
_QUEUED = 5
_MAKERS = {"dall_e": "openai_api_key", "stable_diffusion": "stability_api_key"}
# As people give one: by what the vendor said.
_REASON = "{} may not draw"
_FORM_TOKEN = re.compile(r'data-form-token="([0-9a-f]{64})"')


def other_key(name: str) -> str:
    """A key of somebody else's account, which no other flow has: it becomes known as a secret where it is used."""
    return f"canary-{name}-wJalrXUtnFEMIofAnotherAccount"


class GenerationFlows:
    """Image makers that refuse keys and prompts in words that quote keys, and a dead database; then as it goes.

    Args:
        flows: the server, state folder and Dagster instance of all areas.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows, self._evidence = flows, flows.evidence
        self._openai, self._stability = flows.systems.openai, flows.systems.stability
        self._env = {
            **flows.systems.env,
            "OPENAI_BASE_URL": self._openai.env()["OPENAI_BASE_URL"],
            "OPENAI_PER_MINUTE": "100000",
            "STABILITY_BASE_URL": self._stability.url,
            "STABILITY_PER_10_S": "10000",
            "GEMINI_BASE_URL": flows.systems.gemini.url,
            "GEMINI_PER_MINUTE": "100000",
            "GENERATION_MIN_SIDE": "32",
        }
        known = {item.id: item for item in sample_products()}
        self._samples = {
            name: [known[number] for number in numbers if not known[number].refused]
            for name, numbers in assignments().items()
        }

    def run(self) -> list[str]:
        """Everything but the demo's part; returns the runs of Dagster."""
        self._dead_database()
        with environment(self._env):
            self._prepare()
            self._command_line()
            self._tick()
            runs = self._dagster()
            with self._site() as site:
                self._endpoint(site)
                self._review(site)
            self._cli("resume", "resume", "placeholder")
            self._evidence.rows += self._rows()
            self._cli("resume --json", "resume", "gemini", "--json")
        return runs

    def section(self) -> GenerationSection:
        """The generation's part of the demo's report, of a pass with refusals that quote keys."""
        with environment(self._env):
            with self._refusing(400, 400):
                made = [run_generation_pass(load_settings())]
            made.append(run_generation_pass(load_settings()))
            cards = generation_cards(load_settings(), self._flows.folder / "page")
        assert made[0].report.reasons["refused"] >= len(_MAKERS)
        assert made[0].images == 2  # of the placeholder and of Gemini
        return GenerationSection(made[0], made[1], cards, plot_of(made[1]))

    # --- the makers

    @contextmanager
    def _refusing(
        self, openai: int, stability: int, said: str = "{} is not to draw this", times: int = 1_000
    ) -> Iterator[None]:
        """Have both makers refuse so many requests with these statuses, in words that quote the key."""
        quoting = said.format(self._openai.api_key), said.format(self._stability.api_key)
        self._openai.faults.inject("status", times=times, status=openai, message=quoting[0])
        self._stability.faults.inject("status", times=times, status=stability, message=quoting[1])
        yield
        self._openai.faults.clear()
        self._stability.faults.clear()

    @contextmanager
    def _wrong_keys(self) -> Iterator[None]:
        """Keys that both makers refuse in words that quote them."""
        before = self._openai.api_key, self._stability.api_key
        # The stand-ins' own words would quote no more than the ends of a key, which no search finds.
        self._openai.api_key, self._stability.api_key = map(other_key, _MAKERS.values())
        keys = {"OPENAI_API_KEY": self._openai.api_key, "STABILITY_API_KEY": self._stability.api_key}
        # Of Stability 403, as nothing is read of what it says with 401.
        with environment(keys), self._refusing(401, 403, "Incorrect API key provided: {}."):
            yield
        self._openai.api_key, self._stability.api_key = before

    # --- command line, sensor, Dagster

    def _cli(self, name: str, *arguments: str) -> None:
        self._flows.cli(f"generation {name}", "generation", *arguments)

    def _dead_database(self) -> None:
        """What asks the database first."""
        self._cli("status, dead database", "status")
        self._cli("run --json, dead database", "run", "--json")
        self._tick()

    def _prepare(self) -> None:
        """Products, in the database alone: those of the flows, and one of every provider for the demo."""
        chosen = [item for name in _MAKERS for item in self._samples[name][: _QUEUED + 1]]
        chosen += [self._samples[name][0] for name in ("placeholder", "gemini")]
        rows = [{"id": item.id, "name": item.name, "description": item.description} for item in chosen]
        broken = {"schedule_name": "broken", "cron_expression": canary("stability_api_key")}
        paused = {"is_active": False, "paused_reason": _REASON.format(canary("stability_api_key"))}
        plan = tables.provider_config
        engine = make_engine(self._env["DATABASE_URL"])
        seed(engine)
        with engine.begin() as connection:
            connection.execute(sa.insert(tables.uses_products), rows)
            # What people write into the database themselves.
            connection.execute(sa.insert(tables.schedule), broken)
            connection.execute(sa.update(plan).where(plan.c.provider_name == "placeholder").values(paused))
        engine.dispose()

    def _command_line(self) -> None:
        """Keys that are wrong, a provider that is paused, refusals; then as it goes."""
        for name in _MAKERS:
            self._cli(f"enqueue {name}", "enqueue", "--provider", name, *_named(*self._samples[name][:_QUEUED]))
        self._cli("enqueue, no provider", "enqueue", "--missing", "--provider", canary("openai_api_key"))
        with self._wrong_keys():
            self._cli("run, wrong keys", "run")
            self._flows.cli("doctor, wrong keys", "doctor")
        self._cli("pause", "pause", "gemini", "--reason", _REASON.format(canary("openai_api_key")))
        self._cli("status", "status")
        self._cli("status --json", "status", "--json")
        first, second, third = ([self._samples[name][place] for name in _MAKERS] for place in range(3))
        with self._refusing(400, 400):
            self._cli("run, refused", "run", *_named(*first))
        with self._refusing(500, 500):
            self._cli("run --json, failed", "run", "--json", *_named(*second))
        self._cli("run", "run", *_named(*third))
        self._cli("status, some failed", "status")

    def _tick(self) -> None:
        self._flows.tick("generation_due", "settings", "database")

    def _dagster(self) -> list[str]:
        """A run that wrong keys turn away, one with a product that is refused and one that is not."""
        with self._wrong_keys():
            runs = [self._flows.run_job("generate_images", "dall_e")]
        with self._refusing(400, 400, times=1):
            runs.append(self._flows.run_job("generate_images", "stable_diffusion"))
        return runs

    # --- the web application

    @contextmanager
    def _site(self) -> Iterator[Site]:
        with serving(create_app(load_settings())) as url, closing(Site(url, self._evidence, {})) as site:
            yield site

    def _ask(self, site: Site, name: str, provider: str = "dall_e") -> None:
        body = {"batchSize": 1, "provider": provider}
        site.ask(f"generator{name}", f"POST {PATH}", token=token_of("importer"), json=body)

    def _endpoint(self, site: Site) -> None:
        """A provider that is none, a key that is refused, an image that is, and one that is made."""
        self._ask(site, ", no provider", canary("stability_api_key"))
        with self._refusing(403, 403):
            self._ask(site, ", key refused")
        with self._refusing(400, 400):
            self._ask(site, ", refused")
        self._ask(site, "")

    def _review(self, site: Site) -> None:
        """A reviewer wants another image of the one that the command line made, and the maker refuses it."""
        product = self._samples["dall_e"][2].id
        site.ask("generated, sign-in", "POST /sign-in", data={"token": token_of("reviewer")})
        site.ask("generated page", "GET /review?collection=generated")
        [token] = set(_FORM_TOKEN.findall(self._evidence.answers["generated page"]))
        [image] = site.ask("generated product", f"GET /review/api/products/{product}?collection=generated")["images"]
        decision = {"image_id": image["id"], "sha256": image["sha256"], "action": "reject", "reason": "Blurred"}
        site.ask(
            "generated, reject",
            "POST /review/api/decisions?collection=generated",
            headers={"X-Form-Token": token},
            json={"decisions": [{**decision, "again": True}]},
        )
        with self._refusing(400, 400):
            self._ask(site, ", refused again")
        for name, path in {
            "generated product, refused": f"/review/api/products/{product}?",
            "generated queue": "/review/api/queue?status=rejected&",
            "generated page without scripts": "/review/plain?status=rejected&",
            "generated history": f"/review/api/images/{image['id']}/history?",
        }.items():
            site.ask(name, f"GET {path}collection=generated")

    # --- what people are shown

    def _rows(self) -> str:
        """All rows of the area but for the schedule that has a secret of its own."""
        engine = make_engine(self._env["DATABASE_URL"])
        with closing(engine.connect()) as connection:
            connection.execute(sa.delete(tables.schedule).where(tables.schedule.c.schedule_name == "broken"))
            rows = [row for table in _TABLES for row in connection.execute(sa.select(table))]
            connection.commit()
        engine.dispose()
        return "\n".join(str(tuple(row)) for row in rows)


def _named(*products: SampleProduct) -> list[str]:
    return [part for product in products for part in ("--product-ids", str(product.id))]
