"""What a request asks for, or why it can't have it.

Here: the rules about contents, generation settings and models' abilities. Not here: JSON (``wire.py``), limits and keys
(``server.py``).

reference: seen (texts); proto (``response_modalities``: "If the requested modalities do not match any of the supported
combinations, an error will be returned"); the SDK (imageSize). That TEXT alone is refused by image models is seen of
2.0, and that they take IMAGE alone is what the vendor's examples do; the texts about imageConfig's values, and about a
schema without its MIME type, are inferred.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from image_assets.sandbox.gemini.behaviour import ModelKind
from image_assets.sandbox.gemini.errors import Document, bad_field, invalid
from image_assets.sandbox.gemini.schemas import check, from_json_schema

IMAGE_TYPES = ("image/png", "image/jpeg", "image/jpg", "image/webp", "image/heic", "image/heif")
_RATIO_NAMES = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:4", "4:1", "1:8", "8:1")
RATIOS = {text: int(text.partition(":")[0]) / int(text.partition(":")[2]) for text in _RATIO_NAMES}
SCALES = {"512": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0}
JSON = "application/json"
ENUM = "text/x.enum"

_TEXT_TYPES = ("text/plain", JSON, "application/xml", "application/yaml", ENUM)
_COMBINATIONS: dict[ModelKind, tuple[tuple[str, ...], ...]] = {
    "text": (("TEXT",),),
    "image": (("TEXT", "IMAGE"), ("IMAGE",)),
}
_ROLES = ("", "user", "model", "function")
_NOT_DATA = ("thought", "thought_signature", "video_metadata", "media_resolution", "part_metadata")


@dataclass(frozen=True)
class Ask:
    """What is asked of a model.

    Args:
        model: its name.
        kind: what it makes.
        prompt: the text of all contents that are the user's.
        system: the text of the system instruction.
        image: the picture it is about: the first one of the last content that has any; None without.
        images: all pictures.
        modalities: what the answer may have.
        mime_type: of a text answer.
        schema: of a JSON answer; None without.
        ratio: width by height of a picture; None leaves it to the picture sent.
        scale: of a picture's size.
        max_tokens: that the answer may have.
        thinks: whether the model may think first.
    """

    model: str
    kind: ModelKind
    prompt: str
    system: str
    image: bytes | None
    images: tuple[bytes, ...]
    modalities: tuple[str, ...]
    mime_type: str
    schema: Document | None
    ratio: float | None
    scale: float
    max_tokens: int | None
    thinks: bool

    @property
    def words(self) -> str:
        """All text of the request."""
        return f"{self.system}\n{self.prompt}" if self.system else self.prompt

    @property
    def image_sha256(self) -> str:
        """Hex digest of the picture it is about; empty without."""
        return sha256(self.image).hexdigest() if self.image is not None else ""


def understand(request: Document, model: str, kind: ModelKind) -> Ask:
    """What a request that is well-formed asks for.

    Raises:
        Refused: 400.
    """
    contents = request.get("contents", [])
    _check_contents(contents)
    config = request.get("generation_config", {})
    modalities = _modalities(config, model, kind)
    ratio, scale = _image_config(config, kind)
    mime_type, schema = _text_config(config, kind)
    if config.get("candidate_count", 1) > 1:
        raise invalid("Multiple candidates is not enabled for this model")
    if config.get("max_output_tokens", 1) < 1:
        raise bad_field("generation_config.max_output_tokens", "max_output_tokens must be positive.")
    pictures = [list(_pictures(content)) for content in contents]
    return Ask(
        model=model,
        kind=kind,
        prompt="\n".join(text for content in contents if content.get("role") != "model" for text in _texts(content)),
        system="\n".join(_texts(request.get("system_instruction", {}))),
        image=next((found[0] for found in reversed(pictures) if found), None),
        images=tuple(one for found in pictures for one in found),
        modalities=modalities,
        mime_type=mime_type,
        schema=schema,
        ratio=ratio,
        scale=scale,
        max_tokens=config.get("max_output_tokens"),
        thinks=config.get("thinking_config", {}).get("thinking_budget") != 0,
    )


def _check_contents(contents: list[Document]) -> None:
    if not contents:
        raise bad_field("contents", "contents is not specified")
    for number, content in enumerate(contents):
        if content.get("role", "") not in _ROLES:
            raise invalid("Please use a valid role: user, model.")
        if not content.get("parts"):
            raise bad_field(f"contents[{number}].parts", "contents.parts must not be empty.")
        for index, part in enumerate(content["parts"]):
            if not any(part.get(key) for key in part if key not in _NOT_DATA):
                problem = "required oneof field 'data' must have one initialized field"
                raise bad_field(f"contents[{number}].parts[{index}].data", problem)
            media = part.get("inline_data") or part.get("file_data") or {"mime_type": IMAGE_TYPES[0]}
            if media.get("mime_type", "") not in IMAGE_TYPES:
                raise invalid(f"Unsupported MIME type: {media.get('mime_type', '')}")


def _texts(content: Document) -> Iterator[str]:
    return (part["text"] for part in content.get("parts", []) if part.get("text"))


def _pictures(content: Document) -> Iterator[bytes]:
    return (part["inline_data"].get("data", b"") for part in content["parts"] if part.get("inline_data"))


def _modalities(config: Document, model: str, kind: ModelKind) -> tuple[str, ...]:
    combinations = _COMBINATIONS[kind]
    asked = config.get("response_modalities") or combinations[0]
    for combination in combinations:
        if set(asked) == set(combination):
            return combination
    accepted = "".join(f"* {', '.join(combination)}\n" for combination in combinations)
    raise invalid(
        f"The requested combination of response modalities ({', '.join(asked)}) is not supported by the model."
        f" models/{model} accepts the following combination of response modalities:\n{accepted}"
    )


def _image_config(config: Document, kind: ModelKind) -> tuple[float | None, float]:
    image = config.get("image_config", {})
    ratio, size = image.get("aspect_ratio", ""), image.get("image_size", "")
    if kind == "text" and (ratio or size):
        raise invalid(
            "Aspect ratio is not enabled for this model" if ratio else "Image size is not enabled for this model"
        )
    if ratio and ratio not in RATIOS:
        problem = f"aspect_ratio must be one of {', '.join(repr(one) for one in RATIOS)}"
        raise bad_field("generation_config.image_config.aspect_ratio", problem)
    if size and size not in SCALES:
        problem = f"image_size must be one of {', '.join(repr(one) for one in SCALES)}"
        raise bad_field("generation_config.image_config.image_size", problem)
    return (RATIOS[ratio] if ratio else None), SCALES[size or "1K"]


def _text_config(config: Document, kind: ModelKind) -> tuple[str, Document | None]:
    mime_type = config.get("response_mime_type") or _TEXT_TYPES[0]
    if mime_type not in _TEXT_TYPES:
        raise bad_field(
            "generation_config.response_mime_type",
            "allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and"
            " `text/x.enum`.",
        )
    own, json_schema = config.get("response_schema"), config.get("response_json_schema")
    if kind == "image" and (mime_type != _TEXT_TYPES[0] or own or json_schema):
        raise invalid("JSON mode is not enabled for this model")
    if own and json_schema:
        raise bad_field("generation_config.response_json_schema", "response_schema must be omitted")
    if (own or json_schema) and mime_type not in (JSON, ENUM):
        raise bad_field("generation_config.response_schema", f"only allowed with response_mime_type `{JSON}`")
    if own:
        check(own)
    return mime_type, own or (from_json_schema(json_schema) if json_schema else None)
