"""The marks of the canary tests: secrets that can be told wherever they turn up, and what each channel carried.

Here: marked values, the search for them, records of logs and files. Not here: who has them (``canary_systems.py``), the
flows (``canary_flows.py``, ``canary_enhancement.py``, ``canary_generation.py``), what must be found, and what not
(``test_canary.py``).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from image_assets.redaction import install_log_redaction
from image_assets.settings import Settings, variable_name
from image_assets_tests.vendors.webhook import closed_port

SECRETS = [
    *(name for name, info in Settings.model_fields.items() if "SecretStr" in str(info.annotation)),
    # Of further accounts, whose names are the user's: no field tells their type.
    "plytix_outlet_api_key",
    "plytix_outlet_api_password",
]


def canary(name: str) -> str:
    """The marked value of a secret setting, with the characters real ones have."""
    return f"canary-{name}-" + ("AKIAIOSFODNN7" if name == "aws_access_key_id" else "wJalrXUtnFEMI/K7MDENG+bPxRfiCY")


def password_of(name: str) -> str:
    """The marked password of a database, with what may stand in a URL."""
    return canary(name).replace("/", "-")


def token_of(owner: str) -> str:
    """The marked API token of somebody."""
    return f"{canary('api_tokens')}-of-{owner}"


def value_of(name: str, webhook: str) -> str:
    """The secret where its setting has a form of its own: a password, a path."""
    if name.endswith("database_url"):
        return f"postgresql+psycopg://canary:{password_of(name)}@127.0.0.1:{closed_port()}/db"
    if name == "alert_webhook_url":
        return f"{webhook}/{canary(name)}?token={canary(name)}"
    if name == "api_tokens":
        return ",".join(f"{owner}:{token_of(owner)}" for owner in ("importer", "reviewer"))
    return canary(name)


def variable_of(name: str) -> str:
    """The environment variable of a secret."""
    return variable_name(name) if name in Settings.model_fields else name.upper()


PRESIGNED = "presigned address"
SIGNATURE = re.compile(r"X-Amz-Signature(?:=|%3D)([0-9a-f]{64})")


def leaked(text: str, signatures: Iterable[str] = ()) -> list[str]:
    """The secret settings of which some part can be read in ``text``, in order, and whether a presigned address can."""
    found = sorted(name for name in SECRETS if f"canary-{name}-" in text)
    return [*found, PRESIGNED] if SIGNATURE.search(text) or any(item in text for item in signatures) else found


class Recorder(logging.Handler):
    """Keeps every record as a formatter would print it, and with all its attributes."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.loggers: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record as text, and as a structured log would."""
        self.loggers.add(record.name.split(".")[0])
        self.lines.append(logging.Formatter().format(record))
        self.lines.append(repr({name: value for name, value in vars(record).items() if name != "exc_info"}))


@contextmanager
def recorded() -> Iterator[Recorder]:
    """All loggers at DEBUG, with the redacting record factory; all put back afterwards."""
    factory, root, recorder = logging.getLogRecordFactory(), logging.getLogger(), Recorder()
    names = ["", "botocore", "boto3", "urllib3", "httpx2", "httpcore2", "image_assets"]
    levels = {name: logging.getLogger(name).level for name in names}
    root.addHandler(recorder)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    install_log_redaction()
    try:
        yield recorder
    finally:
        root.removeHandler(recorder)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        logging.setLogRecordFactory(factory)


@dataclass
class Evidence:
    """What each channel carried."""

    out: str = ""
    err: str = ""
    logs: str = ""
    loggers: set[str] = field(default_factory=set[str])
    events: str = ""
    errors: list[str] = field(default_factory=list[str])
    exit_codes: dict[str, int] = field(default_factory=dict[str, int])
    instance_files: str = ""
    state_files: str = ""
    plan: str = ""
    page: str = ""
    runs: list[bool] = field(default_factory=list[bool])
    signatures: set[str] = field(default_factory=set[str])
    ticks: str = ""
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    answers: dict[str, str] = field(default_factory=dict[str, str])
    cookies: dict[str, str] = field(default_factory=dict[str, str])
    rows: str = ""

    @property
    def web(self) -> str:
        """All answers of the web application, with their headers."""
        return "\n".join(self.answers.values())


def files_below(folder: Path) -> str:
    """Every file below a folder as text: Parquet read, the rest byte by byte."""
    texts: list[str] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        texts.append(str(path))
        texts.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            texts.append(f"{table.to_pylist()} {table.schema.metadata}")
    return "\n".join(texts)


@contextmanager
def environment(env: Mapping[str, str]) -> Iterator[None]:
    """Some variables changed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        yield
