"""``image-assets sandbox``: the local stand-ins for S3, SQS, PostgreSQL, Shopify, Plytix and Gemini."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from image_assets.cli.common import JsonOption, out, print_json
from image_assets.settings import load_settings, no_sandbox_error

app = typer.Typer(help="Local stand-ins with sample data, on loopback only.", no_args_is_help=True)


@app.command()
def up() -> None:
    """Start the sandbox and keep it running until Ctrl-C or `sandbox down`."""
    from image_assets.sandbox.server import Sandbox

    sandbox = Sandbox(load_settings().state_dir)

    def announce() -> None:
        for name, value in sandbox.env.items():
            out.print(f"{name}={value}")
        out.print("The sandbox is running; Ctrl-C stops it. `image-assets sandbox env` prints these as shell exports.")

    sandbox.serve_forever(announce)


@app.command()
def down() -> None:
    """Stop the running sandbox."""
    from image_assets.sandbox.status import stop_running

    out.print("Stopped." if stop_running(load_settings().state_dir) else "No sandbox was running.")


@app.command()
def reset() -> None:
    """Put the running sandbox's sample data back: objects, catalog, shop and Plytix; API products go."""
    from image_assets.sandbox import resources
    from image_assets.sandbox.status import running

    status = running(load_settings().state_dir)
    if status is None:
        raise no_sandbox_error()
    out.print(f"{resources.reset(status['env']):,} sample objects are in place again.")


@app.command()
def env() -> None:
    """Print shell exports of the running sandbox: eval "$(image-assets sandbox env)"."""
    from image_assets.sandbox.status import running

    status = running(load_settings().state_dir)
    if status is None:
        raise no_sandbox_error()
    for name, value in status["env"].items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def inventory(csv: Annotated[bool, typer.Option("--csv", help="CSV files instead of Parquet.")] = False) -> None:
    """Deliver an S3 Inventory report of the deal images' bucket, as AWS does once a day; print its address."""
    from image_assets.sandbox import inventory_report
    from image_assets.sandbox.status import running
    from image_assets.stores.s3 import ObjectStore

    settings = load_settings()
    if running(settings.state_dir) is None:
        raise no_sandbox_error()
    store = ObjectStore.from_settings(settings)
    key = inventory_report.deliver(
        lambda key, body: store.replace(key, body, content_type="application/octet-stream"),
        list(inventory_report.listed_rows(store.client, store.bucket)),
        bucket=store.bucket,
        destination=store.bucket,
        folder="inventory",
        file_format="CSV" if csv else "Parquet",
    )
    typer.echo(store.url(key))


@app.command()
def status(json: JsonOption = False) -> None:
    """Say whether a sandbox is running, and where."""
    from image_assets.sandbox.status import running

    found = running(load_settings().state_dir)
    if json:
        print_json({"running": found is not None, "pid": found["pid"] if found else None})
    elif found is None:
        out.print("No sandbox is running.")
    else:
        aws, shop = found["env"]["AWS_ENDPOINT_URL"], found["env"]["SHOPIFY_BASE_URL"]
        out.print(f"The sandbox runs as process {found['pid']}; S3 and SQS at {aws}, the shop at {shop}.")
