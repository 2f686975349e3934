"""Answers of a model: candidates with text and pictures, blocked prompts, and how many tokens all that is.

Here: what a request that is understood comes to. Not here: errors (``errors.py``), HTTP (``server.py``).

reference: proto (GenerateContentResponse, Candidate); the vendor's token guide (258 tokens per picture sent, about 4
characters per token); seen (1290 tokens per picture of 2.5, 1120 of later models, 2000 at 4K; text before or after the
picture; ``thoughtSignature``; thoughts count towards ``maxOutputTokens``; a refusal has no ``content``). How long a
model thinks is inferred.
"""

from __future__ import annotations

import base64
import json
import math
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import uuid4

from image_assets.sandbox.gemini import pictures
from image_assets.sandbox.gemini.behaviour import Behaviour
from image_assets.sandbox.gemini.checks import ENUM, JSON, RATIOS, Ask
from image_assets.sandbox.gemini.errors import Document
from image_assets.sandbox.gemini.filling import Filler
from image_assets.sandbox.gemini.looking import look, type_of
from image_assets.sandbox.gemini.outcomes import Outcome
from image_assets.sandbox.gemini.prompts import Prompts, wanted

IMAGE_TOKENS = 258
CHARACTERS_PER_TOKEN = 4
_MADE_TOKENS = {"gemini-2.5-flash-image": 1290}
_MADE_TOKENS_OTHERS, _MADE_TOKENS_4K = 1120, 2000
_THOUGHTLESS = ("gemini-2.5-flash-lite",)
_LEAST_THOUGHTS = 24
_NO_IMAGE_TEXT = "I can't make that picture, but I can describe it: a product photograph in the scene you asked for."
_BROKEN = b"\x89PNG\r\n\x1a\n<!DOCTYPE html><title>Service unavailable</title>"


def answer(ask: Ask, outcome: Outcome, behaviour: Behaviour) -> Document:
    """The response to a request.

    Raises:
        Refused: 400, a picture sent is none.
    """
    for image in ask.images:
        type_of(image)
    if outcome.block_reason:
        return _response(ask, {"promptFeedback": {"blockReason": outcome.block_reason}})
    make = _text_candidate if ask.kind == "text" else _image_candidate
    return make(ask, outcome, behaviour)


def tokens(text: str) -> int:
    """About how many tokens a text is."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def _response(ask: Ask, found: Document, made: dict[str, int] | None = None, thoughts: int = 0) -> Document:
    """A response with its usage.

    Args:
        ask: the request.
        found: candidates or what was wrong with the prompt.
        made: tokens of the candidate by modality.
        thoughts: tokens of what the model thought.
    """
    text, images = tokens(ask.words), IMAGE_TOKENS * len(ask.images)
    details = [{"modality": "TEXT", "tokenCount": text}] if text else []
    details += [{"modality": "IMAGE", "tokenCount": images}] if images else []
    usage: Document = {"promptTokenCount": text + images}
    candidates = sum((made or {}).values())
    if candidates:
        usage["candidatesTokenCount"] = candidates
    usage |= {"totalTokenCount": text + images + candidates + thoughts, "promptTokensDetails": details}
    if made and made.get("IMAGE"):
        usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": made["IMAGE"]}]
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    return found | {"usageMetadata": usage, "modelVersion": ask.model, "responseId": uuid4().hex[:22]}


def _candidate(outcome: Outcome, parts: list[Document], finish_reason: str = "") -> Document:
    found: Document = {}
    if not outcome.refused:
        found["content"] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    found |= {"finishReason": finish_reason or outcome.finish_reason, "index": 0}
    if outcome.message:
        found["finishMessage"] = outcome.message
    return {"candidates": [found]}


# --- text models


def _text_candidate(ask: Ask, outcome: Outcome, _behaviour: Behaviour) -> Document:
    thoughts = _thoughts(ask)
    if outcome.refused:
        return _response(ask, _candidate(outcome, []), thoughts=thoughts)
    text, reason = _text(ask), ""
    if outcome.name in ("truncated_json", "max_tokens"):
        text = text[: len(text) // 2]
    if ask.max_tokens is not None:
        thoughts = min(thoughts, ask.max_tokens)
        room = (ask.max_tokens - thoughts) * CHARACTERS_PER_TOKEN
        text, reason = text[:room], "MAX_TOKENS" if len(text) > room else ""
    parts = [{"text": text}] if text else []
    return _response(ask, _candidate(outcome, parts, reason), {"TEXT": tokens(text)}, thoughts)


def _thoughts(ask: Ask) -> int:
    if not ask.thinks or ask.model in _THOUGHTLESS:
        return 0
    return _LEAST_THOUGHTS + tokens(ask.words) // 8


def _text(ask: Ask) -> str:
    facts = look(ask.image) if ask.image is not None else None
    prompts = Prompts(facts, ask.words, sha256(f"{ask.image_sha256}\n{ask.words}".encode()).digest())
    filler = Filler(facts, prompts, wanted(ask.words))
    if ask.mime_type == ENUM and ask.schema:
        return str(filler.fill(ask.schema))
    if ask.schema:
        return json.dumps(filler.fill(ask.schema), ensure_ascii=False)
    if ask.mime_type == JSON:
        # Without a schema a model makes up its own.
        found: Any = {"description": filler.sentence()}
        found["prompts"] = [prompts.text(number) for number in range(wanted(ask.words))]
        return json.dumps(found, ensure_ascii=False)
    return filler.sentence()


# --- image models


def _image_candidate(ask: Ask, outcome: Outcome, behaviour: Behaviour) -> Document:
    cost = _MADE_TOKENS.get(ask.model, _MADE_TOKENS_4K if ask.scale > 2 else _MADE_TOKENS_OTHERS)
    if outcome.refused:
        return _response(ask, _candidate(outcome, []))
    if outcome.finish_reason == "MAX_TOKENS" or (ask.max_tokens is not None and ask.max_tokens < cost):
        return _response(ask, _candidate(outcome, [], "MAX_TOKENS"), {"TEXT": ask.max_tokens or 0})
    if outcome.name == "text_only":
        return _response(ask, _candidate(outcome, [{"text": _NO_IMAGE_TEXT}]), {"TEXT": tokens(_NO_IMAGE_TEXT)})
    content, mime_type = _picture(ask, outcome, behaviour)
    image: Document = {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(content).decode()}}
    if not ask.model.startswith("gemini-2"):
        image["thoughtSignature"] = base64.b64encode(sha256(content).digest()).decode()
    if "TEXT" not in ask.modalities:
        return _response(ask, _candidate(outcome, [image]), {"IMAGE": cost})
    said = "Here is your picture."
    parts: list[Document] = [{"text": said}, image]
    # Now before, now after: clients that count parts must find out.
    if sha256(ask.prompt.encode()).digest()[-1] % 2:
        parts.reverse()
    return _response(ask, _candidate(outcome, parts), {"TEXT": tokens(said), "IMAGE": cost})


def _picture(ask: Ask, outcome: Outcome, behaviour: Behaviour) -> tuple[bytes, str]:
    """A file and its MIME type."""
    kind: pictures.Format = "PNG" if ask.model in behaviour.png_models else "JPEG"
    mime_type = f"image/{kind.lower()}"
    longest = max(1, round(behaviour.image_size * ask.scale))
    make = partial(pictures.drawn, ask.prompt, longest, ask.ratio, kind)
    if outcome.name == "blank_image":
        make = partial(pictures.blank, ask.prompt, longest, ask.ratio, kind)
    elif outcome.name == "not_an_image":
        return _BROKEN, mime_type
    elif ask.image is not None and outcome.name == "unchanged_image":
        return ask.image, type_of(ask.image)
    elif ask.image is not None:
        make = partial(pictures.enhanced, ask.image, ask.prompt, longest, ask.ratio, list(RATIOS.values()), kind)
    return make(), mime_type
