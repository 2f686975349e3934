"""Errors as the API answers them: one shape of JSON, one place that knows statuses.

Here: ``{"success": false, "error": {"code", "message"}}``, and which typed error is which status. Not here: errors of
single products (``api.py``), pages (``review.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from image_assets.enhancement.intake import KeyReusedError
from image_assets.errors import ImageAssetsError, InputError, NotFoundError, SettingsError, TransientError

_log = logging.getLogger(__name__)
# What a client waits before it asks again while the database is away.
RETRY_AFTER_S = 5
_CODES = {400: "bad_request", 401: "unauthorized", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def error_response(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error."""
    return JSONResponse({"success": False, "error": {"code": code, "message": message}}, status, headers)


def unexpected_response(request_id: str) -> JSONResponse:
    """What a client hears of our own defects: nothing but where the log has more."""
    return error_response(500, "unexpected", f"Something went wrong on our side; the log has it under {request_id}.")


def request_id_of(request: Request) -> str:
    """What the log calls this request (`middleware.RequestLog`)."""
    return str(getattr(request.state, "request_id", "no id"))


def add_error_handlers(app: FastAPI) -> None:
    """Have the application answer errors in the API's shape."""
    app.add_exception_handler(ImageAssetsError, _on_typed)
    app.add_exception_handler(SQLAlchemyError, _on_database)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)


def _on_typed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ImageAssetsError)  # noqa: S101 - what it was registered for
    match error:
        case NotFoundError():
            return error_response(404, error.code, str(error))
        case KeyReusedError():
            return error_response(409, error.code, str(error))
        case InputError():
            return error_response(422, error.code, str(error))
        case TransientError() | SettingsError():
            # Which machine does not answer, and how, is for the log.
            return _unavailable(request, error)
        case _:
            raise error


def _on_database(request: Request, error: Exception) -> JSONResponse:
    return _unavailable(request, error)


def _unavailable(request: Request, error: Exception) -> JSONResponse:
    _log.error("Request %s: %s: %s", request_id_of(request), type(error).__name__, " ".join(str(error).split()))
    code = error.code if isinstance(error, ImageAssetsError) else "unavailable"
    message = f"A system behind this one can't be used now; the log has it under {request_id_of(request)}. Ask again."
    return error_response(503, code, message, {"Retry-After": str(RETRY_AFTER_S)})


def _on_invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it was registered for
    # Nothing of the input is repeated: it may be a secret that went to the wrong place, or no text at all.
    problems = [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
    return error_response(422, "bad_input", f"{'; '.join(problems)}.")


def _on_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it was registered for
    code = _CODES.get(error.status_code, "refused")
    return error_response(error.status_code, code, str(error.detail), error.headers)
