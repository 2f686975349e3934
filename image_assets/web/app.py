"""The web application: the product API, the review page and ``/healthz``, in the order requests pass through.

Here: putting it together. Not here: routes (``api.py``, ``generator.py``, ``review.py``, ``health.py``), the server
around it (``server.py``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from image_assets.redaction import install_log_redaction
from image_assets.settings import Settings, load_settings
from image_assets.web import api, generator, health, review
from image_assets.web.auth import TokenGate
from image_assets.web.errors import add_error_handlers
from image_assets.web.middleware import BodyLimit, RequestLog, SecurityHeaders
from image_assets.web.services import THREADS, check_settings, open_services


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application of one process; connections are made when it starts, and closed when it stops.

    Args:
        settings: by default those of the environment, so that uvicorn's workers can make it by its name.

    Raises:
        SettingsError: a token, the database or the queue is not set, or no sandbox is running.
    """
    install_log_redaction()
    settings = settings or load_settings()
    check_settings(settings)
    app = route()
    app.state.settings = settings
    # The last one added is the first to see a request.
    app.add_middleware(BodyLimit)
    app.add_middleware(TokenGate, tokens=settings.tokens, paths=("/api", "/functions"))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestLog)
    return app


def route() -> FastAPI:
    """All routes and what they answer, documented, but nothing to serve them with."""
    app = FastAPI(
        title="image_assets",
        summary="Product images: create products, have their images enhanced, decide on what came out.",
        version=version("image-assets"),
        lifespan=_lifespan,
        # Swagger's page loads its script from somebody else's server; /openapi.json is there for local tools.
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    for router in (api.router, generator.router, health.router, review.router):
        app.include_router(router)
    add_error_handlers(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    with open_services(app.state.settings) as services:
        app.state.services = services
        app.state.engine = services.engine
        yield
