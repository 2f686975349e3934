"""What a request says: its form, read and checked as the vendor does.

Here: fields and their rules. Not here: keys, limits, the account (``server.py``).

reference: OpenAPI (fields, their limits and defaults; ``sd3-...`` means ``sd3.5-...``); seen (``content-type:
required``, ``content-type: must be multipart/form-data``, ``prompt: required``). The other texts follow their pattern
(inferred); that all that is wrong is said at once, and that unknown fields are ignored, is inferred too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from werkzeug.formparser import parse_form_data

from image_assets.sandbox.stability.errors import invalid, not_found, too_large

ENDPOINTS = ("core", "ultra", "sd3")
RATIOS = ("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")
FORMATS = ("jpeg", "png", "webp")
STYLES = (
    *("3d-model", "analog-film", "anime", "cinematic", "comic-book", "digital-art", "enhance", "fantasy-art"),
    *("isometric", "line-art", "low-poly", "modeling-compound", "neon-punk", "origami", "photographic", "pixel-art"),
    "tile-texture",
)
LARGEST_SEED = 4294967294
LONGEST_TEXT = 10_000
IMAGE, JSON = "image/*", "application/json"
_DEFAULT_MODEL = "sd3.5-large"
_RENAMED = {f"sd3-{name}": f"sd3.5-{name}" for name in ("large", "large-turbo", "medium")}
_FROM_PICTURES = "the sandbox makes pictures of texts alone"


@dataclass(frozen=True)
class Ask:
    """A request that is understood.

    Args:
        model: ``core``, ``ultra`` or the name of one of ``sd3``.
        prompt: what to make.
        negative_prompt: what not to show.
        aspect_ratio: one of `RATIOS`.
        seed: 0 leaves it to chance.
        output_format: one of `FORMATS`.
        as_json: whether the picture is to come in JSON.
    """

    model: str
    prompt: str
    negative_prompt: str
    aspect_ratio: str
    seed: int
    output_format: str
    as_json: bool


def understand(environ: Mapping[str, Any], endpoint: str, prices: Mapping[str, float], max_bytes: int) -> Ask:
    """Read and check a request.

    Args:
        environ: of WSGI.
        endpoint: one of `ENDPOINTS`.
        prices: by the names of the models that are there.
        max_bytes: that the body may have.

    Raises:
        Refused: 400, 404 or 413.
    """
    form, files = _form(environ, max_bytes)
    wrong = list(_wrong(form, endpoint, prices))
    accept = str(environ.get("HTTP_ACCEPT", "")).lower()
    if not any(kind in accept for kind in ("*/*", "image/", JSON)) and accept:
        wrong.append(f"accept: must be one of {JSON}, {IMAGE}")
    if endpoint != "core" and ("image" in files or form.get("mode") == "image-to-image"):
        wrong.append(f"image: {_FROM_PICTURES}")
    if wrong:
        raise invalid(*wrong)
    model = _model(form, endpoint)
    if model not in prices:
        raise not_found()
    return Ask(
        model=model,
        prompt=form["prompt"],
        negative_prompt=form.get("negative_prompt", ""),
        aspect_ratio=form.get("aspect_ratio", "1:1"),
        seed=int(float(form.get("seed", "0"))),
        output_format=form.get("output_format", "png"),
        as_json=accept.startswith(JSON),
    )


def _form(environ: Mapping[str, Any], max_bytes: int) -> tuple[dict[str, str], set[str]]:
    """The fields of a form by name, and the names of its files."""
    sent = environ["wsgi.input"].read()
    if len(sent) > max_bytes:
        raise too_large()
    kind = str(environ.get("CONTENT_TYPE", "")).lower()
    if not kind:
        raise invalid("content-type: required")
    if not kind.startswith("multipart/form-data"):
        raise invalid("content-type: must be multipart/form-data")
    _, form, files = parse_form_data({**environ, "wsgi.input": BytesIO(sent), "CONTENT_LENGTH": str(len(sent))})
    return dict(form.items()), {str(name) for name in files}


def _model(form: Mapping[str, str], endpoint: str) -> str:
    if endpoint != "sd3":
        return endpoint
    return _current(form.get("model", _DEFAULT_MODEL))


def _current(name: str) -> str:
    return _RENAMED.get(name, name)


def _wrong(form: Mapping[str, str], endpoint: str, prices: Mapping[str, float]) -> list[str]:
    """What is wrong with the fields, each with its name before it."""
    rules: dict[str, Callable[[str], str]] = {
        "negative_prompt": _at_most(LONGEST_TEXT),
        "aspect_ratio": _one_of(RATIOS),
        "seed": _between(0, LARGEST_SEED),
        "style_preset": _one_of(STYLES),
        "output_format": _one_of(FORMATS),
    }
    if endpoint == "sd3":
        names = tuple(name for name in prices if name.startswith("sd3"))
        rules |= {
            "model": lambda text: _one_of(names)(_current(text)),
            "mode": _one_of(("text-to-image", "image-to-image")),
            "cfg_scale": _between(1, 10),
        }
    prompt = form.get("prompt", "")
    found = {"prompt": "required" if not prompt else _at_most(LONGEST_TEXT)(prompt)}
    found |= {name: rule(form[name]) for name, rule in rules.items() if name in form}
    return [f"{name}: {problem}" for name, problem in found.items() if problem]


def _at_most(limit: int) -> Callable[[str], str]:
    return lambda text: f"must be at most {limit} characters" if len(text) > limit else ""


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    return lambda text: "" if text in choices else f"must be one of {', '.join(choices)}"


def _between(least: int, most: int) -> Callable[[str], str]:
    def problem(text: str) -> str:
        try:
            number = float(text)
        except ValueError:
            return "must be a number"
        return "" if least <= number <= most else f"must be between {least} and {most}"

    return problem
