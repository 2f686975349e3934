"""Dagster metadata people want to look at: tables, pictures, exact counts.

Here: reports and images as metadata values, capped so that an event stays small. Not here: what is counted (areas).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from image_assets.report import Outcome, Report

# Every event row carries its metadata: samples are capped, counts are exact.
SAMPLE_ROWS = 20

_FAILURE_SCHEMA = dg.TableSchema(
    [
        dg.TableColumn("item", "string"),
        dg.TableColumn("reason", "string"),
        dg.TableColumn("message", "string"),
        dg.TableColumn("retry", "string", description="whether trying again unchanged can help"),
    ]
)


def report_metadata(report: Report) -> dict[str, dg.MetadataValue]:
    """Counts of a report, and tables of its first failures and notes."""
    metadata: dict[str, dg.MetadataValue] = {
        "items": dg.MetadataValue.int(report.total),
        "done": dg.MetadataValue.int(report.done),
        "unchanged": dg.MetadataValue.int(report.unchanged),
        "failed": dg.MetadataValue.int(report.failed),
        **{name: dg.MetadataValue.int(count) for name, count in sorted(report.counts.items())},
    }
    if report.failures:
        metadata["failures"] = failure_table(report.failures)
    if report.noted:
        metadata["notes"] = table(
            ("item", "note"), ((outcome.item, "; ".join(outcome.notes)) for outcome in report.noted[:SAMPLE_ROWS])
        )
    return metadata


def failure_table(failures: Sequence[Outcome]) -> dg.MetadataValue:
    """The first failures as a table."""
    records = [
        dg.TableRecord(
            {
                "item": outcome.item,
                "reason": outcome.reason,
                "message": outcome.message,
                "retry": "no" if outcome.permanent else "yes",
            }
        )
        for outcome in failures[:SAMPLE_ROWS]
    ]
    return dg.MetadataValue.table(records, _FAILURE_SCHEMA)


def table(columns: Sequence[str], rows: Iterable[Sequence[str | int]]) -> dg.MetadataValue:
    """Rows as a table; the caller caps them."""
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table(records, schema)


def jpeg_metadata(image: bytes, alt: str) -> dg.MetadataValue:
    """A JPEG shown inline."""
    return dg.MetadataValue.md(f"![{alt}](data:image/jpeg;base64,{base64.b64encode(image).decode()})")


def svg_metadata(image: str, alt: str) -> dg.MetadataValue:
    """An SVG shown inline, as an image: what is in it can't reach the page around it."""
    return dg.MetadataValue.md(f"![{alt}](data:image/svg+xml;base64,{base64.b64encode(image.encode()).decode()})")


def count_metadata(counts: Mapping[str, int]) -> dict[str, dg.MetadataValue]:
    """Exact counts; the UI plots them over time and partitions."""
    return {name: dg.MetadataValue.int(count) for name, count in counts.items()}
