"""JSON on the wire: a request's body by the tables of messages, an answer's enums as names or numbers.

Here: what Google's JSON transcoding accepts (both spellings of a field's name, enums as names or numbers, one element
where several are allowed, both alphabets of base64) and how it says what it does not. Not here: what a well-formed
request must say (``checks.py``).

reference: protobuf's JSON mapping (protobuf.dev/programming-guides/json); seen (texts); SDK (google-generativeai sends
enums as numbers and asks for them with ``$alt``, google-genai sends base64url and mixes both spellings).
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

from image_assets.sandbox.gemini.errors import Document, bad_payload, invalid
from image_assets.sandbox.gemini.messages import ANSWER_ENUMS, ENUMS, MESSAGES, QUALIFIED

_PACKAGE = "type.googleapis.com/google.ai.generativelanguage"
_TYPE_NAMES = {"float": "TYPE_FLOAT", "double": "TYPE_DOUBLE", "int32": "TYPE_INT32", "int64": "TYPE_INT64"}
_QUOTED = 40  # characters of a wrong value that are quoted; inferred


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


_SPELLINGS = {
    message: {spelling: name for name in fields for spelling in (name, _camel(name))}
    for message, fields in MESSAGES.items()
}


def read(body: bytes, version: str) -> Document:
    """A GenerateContentRequest; field names in snake case, enums as names, bytes decoded.

    Args:
        body: the JSON.
        version: of the API, e.g. ``v1beta``.

    Raises:
        Refused: 400, it is no JSON or no such message.
    """
    try:
        sent = json.loads(body or b"{}")
    except ValueError as error:
        # The vendor's parser words it differently for each mistake; this is what it says of most.
        raise invalid(f"Invalid JSON payload received. {error}") from error
    reader = _Reader(version)
    found = reader.message("GenerateContentRequest", sent, "")
    if reader.violations:
        raise bad_payload(reader.violations)
    return found


class _Reader:
    """Reads by the tables and collects everything that is wrong."""

    def __init__(self, version: str) -> None:
        self._package = f"{_PACKAGE}.{version}"
        self.violations: list[tuple[str, str]] = []

    def message(self, name: str, sent: Any, path: str) -> Document:
        if not isinstance(sent, dict):
            self._wrong(path, f"{self._package}.{name}", sent)
            return {}
        found: Document = {}
        for key, value in sent.items():
            field = _SPELLINGS[name].get(key)
            if field is None:
                self._unknown(key, path, "Cannot find field.")
            elif value is not None:
                self._field(found, field, MESSAGES[name][field], value, path)
        return found

    def _field(self, found: Document, field: str, kind: str, value: Any, path: str) -> None:
        below = f"{path}.{field}" if path else field
        if kind.startswith("[]"):
            elements = value if isinstance(value, list) else [value]
            found[field] = [self._value(kind[2:], one, f"{below}[{n}]") for n, one in enumerate(elements)]
        elif kind.startswith("{}"):
            entries = value.items() if isinstance(value, dict) else ()
            found[field] = {key: self._value(kind[2:], one, f'{below}["{key}"]') for key, one in entries}
        elif isinstance(value, list) and kind != "any":
            self._unknown(field, path, "Proto field is not repeating, cannot start list.")
        else:
            found[field] = self._value(kind, value, below)

    def _value(self, kind: str, value: Any, path: str) -> Any:
        if kind in MESSAGES:
            return self.message(kind, value, path)
        if kind in ENUMS:
            return self._enum(kind, value, path)
        if kind in ("int32", "int64", "float", "double"):
            return self._number(kind, value, path)
        if kind == "bytes":
            return self._bytes(value, path)
        if (kind == "string" and not isinstance(value, str)) or (kind == "bool" and not isinstance(value, bool)):
            self._wrong(path, f"TYPE_{kind.upper()}", value)
        return value

    def _enum(self, kind: str, value: Any, path: str) -> str:
        names = ENUMS[kind]
        if isinstance(value, str) and value.upper() in names:
            return value.upper()
        for name, number in names.items():
            if type(value) is int and value == number:
                return name
        self._wrong(path, f"{self._package}.{QUALIFIED.get(kind, kind)}", value)
        return next(iter(names))

    def _number(self, kind: str, value: Any, path: str) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        whole = kind.startswith("int")
        if isinstance(value, bool) or not math.isfinite(number) or (whole and not number.is_integer()):
            self._wrong(path, _TYPE_NAMES[kind], value)
            return 0
        return int(number) if whole else number

    def _bytes(self, value: Any, path: str) -> bytes:
        try:
            plain = value.encode().translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
            return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
        except (AttributeError, ValueError):
            self._wrong(path, "TYPE_BYTES", value, "Base64 decoding failed for ")
            return b""

    def _unknown(self, key: str, path: str, problem: str) -> None:
        at = f" at '{path}'" if path else ""
        self.violations.append((path, f'Invalid JSON payload received. Unknown name "{key}"{at}: {problem}'))

    def _wrong(self, path: str, kind: str, value: Any, problem: str = "") -> None:
        quoted = json.dumps(value)[: _QUOTED + 2] if isinstance(value, str) else json.dumps(value)[:_QUOTED]
        self.violations.append((path, f"Invalid value at '{path}' ({kind}), {problem}{quoted}"))


def numbered(answer: Any) -> Any:
    """An answer with its enums as numbers, as ``$alt=json;enum-encoding=int`` asks for."""
    if isinstance(answer, list):
        return [numbered(one) for one in answer]
    if not isinstance(answer, Mapping):
        return answer
    return {
        key: ANSWER_ENUMS[key].get(value, 0) if key in ANSWER_ENUMS else numbered(value)
        for key, value in answer.items()
    }
