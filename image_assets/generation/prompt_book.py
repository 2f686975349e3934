"""The prompt book's file.

Here: finding, reading and refusing it. Not here: what it means (``prompts.py``).
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from image_assets.errors import SettingsError
from image_assets.generation.prompts import PromptBook
from image_assets.paths import data_dir


@cache
def load_prompt_book(name: str) -> PromptBook:
    """Load ``data/prompts/{name}.toml``, or the file ``name`` points to when it ends in ``.toml``; once per process.

    Raises:
        SettingsError: there is no such file, it is not TOML, or its content is wrong; the message names the place.
    """
    path = Path(name) if name.endswith(".toml") else data_dir() / "prompts" / f"{name}.toml"
    try:
        with path.open("rb") as file:
            return PromptBook.model_validate(tomllib.load(file))
    except FileNotFoundError:
        shipped = ", ".join(sorted(entry.stem for entry in (data_dir() / "prompts").glob("*.toml")))
        raise SettingsError(
            f"There is no prompt book {name!r}.",
            hint=f"Set GENERATION_PROMPTS to a .toml file, or to one of: {shipped}.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'book'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise SettingsError(f"{path} is not a valid prompt book: {problems}.") from None
