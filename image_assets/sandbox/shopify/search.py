"""Shopify's search syntax, as far as finding products, variants and files needs it.

Here: parsing a query and matching a noun. Not here: what is searched and sorted (``resolvers.py``).

reference: Shopify docs, "Shopify API search syntax": terms are joined by AND (implied) and OR, negated with NOT or
``-``, grouped with parentheses, quoted with ' or ", escaped with a backslash; ``*`` at the end is a prefix; ids and
times compare with >, >=, <, <=. Searches ignore case. Recorded 2025-01 and 2026-04: malformed queries are forgiven,
and a field the resource does not have is ignored with a warning in ``extensions.search``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from image_assets.sandbox.shopify.context import number_of

_TOKEN = re.compile(
    r"""(?P<open>\()|(?P<close>\))|
        (?P<minus>-)?(?:(?P<field>[A-Za-z_][\w.]*):)?(?P<compare>>=|<=|>|<)?
        (?:"(?P<double>(?:\\.|[^"\\])*)"(?P<star>\*)?|'(?P<single>(?:\\.|[^'\\])*)'(?P<star2>\*)?|
           (?P<bare>(?:\\.|[^\s()"\\])+))""",
    re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)")
_WORDS = re.compile(r"\w+")
Matcher = Callable[[Any, "Term"], bool]


@dataclass(frozen=True)
class Term:
    """One condition; ``field`` is empty for a search over all fields."""

    field: str
    compare: str
    value: str
    prefix: bool

    @property
    def values(self) -> list[str]:
        """The values of a comma-separated list."""
        return [part.strip() for part in self.value.split(",") if part.strip()]


class Query:
    """A parsed query.

    Args:
        text: as the client wrote it.
        fields: what the resource can be searched by; the key ``""`` matches terms without a field.
    """

    def __init__(self, text: str, fields: Mapping[str, Matcher]) -> None:
        self.text = text
        self._fields = fields
        self._tokens = list(_TOKEN.finditer(text))
        self._at = 0
        self.unknown: list[str] = []
        self._matches = self._any_of()

    def __call__(self, noun: Any) -> bool:
        """Whether a noun is found."""
        return self._matches(noun)

    def _peek(self) -> re.Match[str] | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _any_of(self) -> Callable[[Any], bool]:
        parts = [self._all_of()]
        while (token := self._peek()) is not None and _is_word(token, "OR"):
            self._at += 1
            parts.append(self._all_of())
        kept = [part for part in parts if part is not None]
        return lambda noun: any(part(noun) for part in kept) if kept else True

    def _all_of(self) -> Callable[[Any], bool] | None:
        parts: list[Callable[[Any], bool]] = []
        while (token := self._peek()) is not None and not (_is_word(token, "OR") or token["close"]):
            self._at += 1
            if _is_word(token, "AND"):
                continue
            if _is_word(token, "NOT") and self._peek() is not None:
                parts.append(_negated(self._one()))
            else:
                self._at -= 1
                parts.append(self._one())
        return (lambda noun: all(part(noun) for part in parts)) if parts else None

    def _one(self) -> Callable[[Any], bool]:
        token = self._tokens[self._at]
        self._at += 1
        if token["open"]:
            inner = self._any_of()
            if (after := self._peek()) is not None and after["close"]:
                self._at += 1
            return inner
        matches = self._term(token)
        return _negated(matches) if token["minus"] else matches

    def _term(self, token: re.Match[str]) -> Callable[[Any], bool]:
        bare = token["bare"] or ""
        star = bool(token["star"] or token["star2"] or bare.endswith("*"))
        value = next(text for text in (token["double"], token["single"], bare.rstrip("*")) if text is not None)
        term = Term(token["field"] or "", token["compare"] or "", _ESCAPED.sub(r"\1", value), star)
        matcher = self._fields.get(term.field)
        if matcher is None:
            self.unknown.append(term.field)
            return lambda _noun: True
        return lambda noun: matcher(noun, term)


def _is_word(token: re.Match[str], word: str) -> bool:
    return bool(token["bare"] == word and not token["field"])


def _negated(matches: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda noun: not matches(noun)


def text(get: Callable[[Any], str | Iterable[str] | None], *, lists: bool = False) -> Matcher:
    """Matches a whole value, or its beginning with ``*``; ``lists``: or one of several with commas between them."""

    def match(noun: Any, term: Term) -> bool:
        found = get(noun)
        values = [found] if isinstance(found, str) else list(found or ())
        wanted = [value.casefold() for value in (term.values if lists else [term.value])]
        return any(
            value.casefold().startswith(one) if term.prefix else value.casefold() == one
            for value in values
            for one in wanted
        )

    return match


def words(get: Callable[[Any], str | None]) -> Matcher:
    """Matches words of a text, in any order; the last may be a prefix."""

    def match(noun: Any, term: Term) -> bool:
        there = [word.casefold() for word in _WORDS.findall(get(noun) or "")]
        wanted = [word.casefold() for word in _WORDS.findall(term.value)]
        if not wanted:
            return True
        *whole, last = wanted
        ends = any(word.startswith(last) if term.prefix else word == last for word in there)
        return ends and all(word in there for word in whole)

    return match


def number(get: Callable[[Any], float | None]) -> Matcher:
    """Compares numbers."""

    def match(noun: Any, term: Term) -> bool:
        found = get(noun)
        return found is not None and any(
            _compared(found, term.compare, float(one)) for one in term.values if _is_number(one)
        )

    return match


def _is_number(value: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", value) is not None


def moment(get: Callable[[Any], str | None]) -> Matcher:
    """Compares times, which are texts in order."""

    def match(noun: Any, term: Term) -> bool:
        found = get(noun)
        return found is not None and _compared(found, term.compare, term.value)

    return match


def _compared(found: Any, compare: str, wanted: Any) -> bool:
    match compare:
        case ">=":
            return bool(found >= wanted)
        case "<=":
            return bool(found <= wanted)
        case ">":
            return bool(found > wanted)
        case "<":
            return bool(found < wanted)
        case _:
            return bool(found == wanted)


def by_id(get: Callable[[Any], Iterable[str]] = lambda noun: [noun.id]) -> Matcher:
    """Compares the numbers of ids; a search takes no global ids."""

    def match(noun: Any, term: Term) -> bool:
        return any(number(lambda gid: number_of(gid))(gid, term) for gid in get(noun))

    return match
