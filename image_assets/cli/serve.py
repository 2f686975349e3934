"""``image-assets serve``: the product API and the review page."""

from __future__ import annotations

from typing import Annotated

import typer

from image_assets.cli.common import err


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 2,
    trusted_proxies: Annotated[
        str, typer.Option(help="Addresses, with commas, of proxies whose X-Forwarded headers are believed.")
    ] = "",
) -> None:
    """Serve the product API and the review page until Ctrl-C."""
    from image_assets.settings import load_settings
    from image_assets.web.server import serve as run_server

    def announce(url: str) -> None:
        err.print(f"Serving {url}: the API below /api, the review page at /review. Ctrl-C stops it.")

    run_server(
        load_settings(), host=host, port=port, workers=workers, trusted_proxies=trusted_proxies, on_listen=announce
    )
