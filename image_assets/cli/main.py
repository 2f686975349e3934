"""The top of the command line: ``demo``, ``dev``, ``serve``, ``setup``, ``doctor`` and the areas' sub-commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.text import Text

from image_assets.cli import deals, enhancement, generation, marketplace, replacements, sandbox, serve, storefront
from image_assets.cli.common import (
    EXIT_INTERRUPTED,
    EXIT_SOME_FAILED,
    EXIT_UNUSABLE,
    JsonOption,
    err,
    out,
    print_json,
)
from image_assets.errors import ImageAssetsError
from image_assets.redaction import install_log_redaction, redact

if TYPE_CHECKING:
    import click

# Newer typers bring a copy of click, whose exceptions are not those of the package of that name.
_ClickException = cast("type[click.ClickException]", typer.BadParameter.__mro__[2])

app = typer.Typer(
    name="image-assets",
    help="Keeps a merchant's product images complete, correct and in sync.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
deals.app.command()(replacements.replace)
deals.app.command()(replacements.restore)
app.add_typer(deals.app, name="deals")
app.add_typer(storefront.app, name="storefront")
app.add_typer(marketplace.app, name="marketplace")
app.add_typer(enhancement.app, name="enhancement")
app.add_typer(generation.app, name="generation")
app.add_typer(sandbox.app, name="sandbox")
app.command()(serve.serve)


def main() -> None:
    """Run the command line; every error ends as one readable message and an exit code."""
    install_log_redaction()
    try:
        status = app(standalone_mode=False)
    except _ClickException as error:
        error.show()
        sys.exit(EXIT_UNUSABLE)
    except (typer.Abort, KeyboardInterrupt):
        status = EXIT_INTERRUPTED
    except ImageAssetsError as error:
        err.print(Text.assemble(("error:", "red"), f" {error.message}"))
        if error.hint:
            err.print(error.hint)
        sys.exit(EXIT_UNUSABLE)
    except Exception as error:
        import logging

        logging.basicConfig()
        logging.getLogger("image_assets").exception("Unexpected error")
        err.print(f"Unexpected {type(error).__name__}: {redact(str(error))}")
        sys.exit(EXIT_UNUSABLE)
    if status == EXIT_INTERRUPTED:
        err.print("Interrupted. What was done is kept; the same command goes on from there.")
    sys.exit(status if isinstance(status, int) else 0)


@app.command()
def demo(
    report: Annotated[
        Path | None, typer.Option(help="Folder of the HTML report.  [default: demo in the state folder]")
    ] = None,
) -> None:
    """Run every area on the sample data, twice, and write an HTML report with pictures."""
    from image_assets.sandbox.demo import run_demo

    if not run_demo(report):
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of Dagster's web page.")] = 3000,
    web_port: Annotated[int, typer.Option(help="Port of the product API and the review page; 0 for any.")] = 8000,
) -> None:
    """Start the sandbox, Dagster's web page and the review page on it, until Ctrl-C."""
    from image_assets.sandbox.dev import run_dev

    raise typer.Exit(run_dev(port, web_port))


@app.command()
def setup(
    queue_missing: Annotated[
        bool, typer.Option("--queue-missing", help="Also queue every product without an image for generation.")
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print what it does to the database as one SQL file; do nothing.")
    ] = False,
) -> None:
    """Create what the project needs in its own database and queue; safe to repeat."""
    from image_assets.settings import load_settings
    from image_assets.setup import run_setup

    if sql:
        from image_assets.schema_sql import schema_sql

        typer.echo(schema_sql(), nl=False)
        return
    for line in run_setup(load_settings(), queue_missing=queue_missing):
        out.print(line)


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Check every configured system: what works, what does not, and what to do."""
    from image_assets.cli.common import make_table
    from image_assets.settings import load_settings
    from image_assets.setup import State, examine

    findings = list(examine(load_settings()))
    if json:
        print_json({"findings": [finding.as_dict() for finding in findings]})
    else:
        table = make_table("system", "state", "what to do or know")
        table.columns[1].justify = table.columns[2].justify = "left"
        colours = {State.OK: "green", State.OFF: "yellow", State.BROKEN: "red"}
        for finding in findings:
            table.add_row(finding.system, Text(finding.state.value, colours[finding.state]), finding.detail)
        out.print(table, soft_wrap=False)
    if any(finding.state is State.BROKEN for finding in findings):
        raise typer.Exit(EXIT_SOME_FAILED)
