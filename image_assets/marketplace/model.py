"""The marketplace area's nouns and naming rules: references, unique images, products as Plytix has them.

Here: values, the order of Amazon's image slots, addresses in one spelling, and the file name an image has in Plytix.
Not here: reading mapping files (``mapping.py``), deciding what to change (``plan.py``).
"""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import PurePosixPath
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from image_assets.errors import InputError
from image_assets.redaction import redact

MAIN = "MAIN"
# Spec 03, "Amazon Image Variants"; the order of links, and the NN of a file name from 01 on.
SLOTS = (MAIN, *(f"PT0{n}" for n in range(1, 9)), "SWATCH", "TOPP", "BOTT")
OTHER_RANK = len(SLOTS) + 1
# Plytix: "Maximum of 300 assets per product".
MAX_ASSETS = 300
PARENT = "VARIATION_PARENT"

# Of servers and of proxies on the way; and PostgreSQL refuses keys of more than 2,704 bytes, which the ledger's are.
MAX_URL = 2048
_PORTS = {"http": 80, "https": 443}
_EXTENSIONS = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff"}
# Where Amazon has its pictures: the id is the whole name; anything between two dots makes a rendition of it.
_AMAZON = re.compile(r"https://m\.media-amazon\.com/images/I/(?P<id>[A-Za-z0-9-]{1,60})(?P<extension>\.[a-z]+)")
_HASH_CHARS = 8
_SHOWN_CHARS = 120
_AUTHORITY = re.compile(r"(?P<host>[^\[\]:@]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
# RFC 1123, and underscores, which exist.
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
# As `quote` leaves them in a path: what RFC 3986 allows there.
_PATH_SAFE = "/:@!$&'()*+,;=-._~"
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")


def slot_rank(slot: str) -> int:
    """Where a slot stands in the order of links: 1 for MAIN; all that Amazon may add later share the last place."""
    return SLOTS.index(slot) + 1 if slot in SLOTS else OTHER_RANK


def normalize_url(text: str) -> str:
    """One spelling for one address: scheme and host in lower case, no default port, no fragment, one percent-encoding.

    The path's letters and the query stay as they are: servers tell them apart. The result is ASCII.

    Raises:
        InputError: no http or https address of a file.
    """
    stripped = text.strip()
    if stripped.startswith("//"):
        stripped = f"https:{stripped}"
    if len(stripped) > MAX_URL:
        raise _bad_link(text, f"is longer than {MAX_URL} characters")
    if not stripped.isprintable() or re.search(r"[ \\]", stripped):
        raise _bad_link(text, "has spaces, invisible characters or backslashes in it")
    try:
        parts = urlsplit(stripped)
        if parts.scheme not in _PORTS:
            raise _bad_link(text, "does not begin with https:// or http://")
        if "@" in parts.netloc:
            raise _bad_link(text, "holds a user name or a password")
        if not parts.netloc:
            raise _bad_link(text, "names no host")
        authority = _authority(parts)
    except ValueError:
        raise _bad_link(text, "has a host name or a port that can't exist") from None
    if parts.path in ("", "/") and not parts.query:
        raise _bad_link(text, "names no file")
    query = quote(parts.query, safe=string.punctuation)
    url = urlunsplit((parts.scheme, authority, _one_encoding(parts.path or "/"), query, ""))
    if len(url) > MAX_URL:
        raise _bad_link(text, f"is longer than {MAX_URL} characters once it is percent-encoded")
    return url


def _authority(parts: SplitResult) -> str:
    """Host and port in one spelling; ``ValueError`` for those that can't be."""
    found, port = _AUTHORITY.fullmatch(parts.netloc), parts.port
    if found is None or port == 0:
        raise ValueError("no host and port")
    host = _host(found["host"].lower())
    return host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"


def _host(name: str) -> str:
    if name.startswith("["):
        return f"[{IPv6Address(name[1:-1])}]"
    if not name.isascii():
        encoded = name.encode("idna")
        # Python knows IDNA 2003, which makes other letters of some: strasse of straße, a host that is somebody else's.
        if encoded.decode("idna") != unicodedata.normalize("NFC", name):
            raise ValueError("a host name that standards disagree about")
        name = encoded.decode("ascii")
    name = name.removesuffix(".")
    if not _HOST.fullmatch(name):
        raise ValueError("no host name")
    return name


def _one_encoding(path: str) -> str:
    """One percent-encoding: what has to be encoded is, letters and digits are not, anything else stays as it is.

    RFC 3986, 6.2.2.2: to some servers a reserved character and its code are two (to S3 a ``+`` in a path is a space).
    """
    pieces = re.split("(%[0-9A-Fa-f]{2})", path)
    return "".join(
        _one_code(piece) if at % 2 else quote(piece, safe=_PATH_SAFE, errors="surrogateescape")
        for at, piece in enumerate(pieces)
    )


def _one_code(code: str) -> str:
    character = chr(int(code[1:], 16))
    return character if character in _UNRESERVED else code.upper()


def _bad_link(text: str, why: str) -> InputError:
    whole = redact(text.strip()[: 2 * MAX_URL])  # before a cut makes a password unrecognizable as one
    shown = whole if len(whole) <= _SHOWN_CHARS else f"{whole[:_SHOWN_CHARS]}..."
    return InputError(f"The link {shown!r} {why}.", code="bad_link", hint="Correct it in the mapping.")


def image_id(url: str) -> str:
    """What names an image in its file name: Amazon's own id, or for any other address its last part with a hash.

    Two addresses never have the same file name: by it an image is found again.

    Args:
        url: as `normalize_url` returns it.
    """
    amazon = _AMAZON.fullmatch(url)
    if amazon is not None and amazon["extension"] in _EXTENSIONS:
        return amazon["id"]
    stem = unquote(PurePosixPath(urlsplit(url).path).name).split(".")[0]
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", stem).strip("-")[:60]
    mark = hashlib.sha256(url.encode()).hexdigest()[:_HASH_CHARS]
    return f"{plain}-{mark}" if plain else mark


def asset_filename(url: str, slot: str) -> str:
    """``amazon_{NN}_{SLOT}_{id}.jpg``: the same for the same image, as Plytix can be searched by file name only."""
    extension = PurePosixPath(urlsplit(url).path).suffix.lower()
    ending = extension if extension in _EXTENSIONS else ".jpg"
    return f"amazon_{slot_rank(slot):02d}_{slot}_{image_id(url)}{ending}"


@dataclass(frozen=True, slots=True)
class Reference:
    """One use of an image: by a product, in a slot."""

    url: str
    slot: str


@dataclass(frozen=True, slots=True)
class MappedProduct:
    """An Amazon product with its images, each once, in the order of links.

    Of several MAIN images the last is the thumbnail (spec 03), and comes first.
    """

    sku: str
    is_parent: bool
    references: tuple[Reference, ...]

    @property
    def main(self) -> str | None:
        """The address of the image for the thumbnail."""
        return self.main_of()

    def main_of(self, dead: Collection[str] = ()) -> str | None:
        """The address of the image for the thumbnail when some are ``dead``: of another MAIN, if there is one.

        Spec 03 sets the thumbnail from the last MAIN image that was linked.
        """
        mains = [item.url for item in self.references if item.slot == MAIN]
        return next((url for url in mains if url not in dead), mains[0] if mains else None)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one reference, product or record, in the words of spec 03's report."""

    url: str
    error: str
    product_sku: str
    code: str = "bad_input"

    def as_dict(self) -> dict[str, str]:
        """The three fields of the report's ``errors``; a link's password or signature is masked."""
        return {"url": redact(self.url), "error": redact(self.error), "product_sku": self.product_sku}


@dataclass(frozen=True, slots=True)
class ImageMapping:
    """A mapping file's content.

    Attributes:
        name: what people call it, e.g. ``mca0032``.
        products: those that can be used, in the file's order.
        problems: records and references that can't.
        total_products: records in the file.
        total_references: image references in the file, unusable and repeated ones included.
        with_images: records that name an image.
    """

    name: str
    products: tuple[MappedProduct, ...]
    problems: tuple[Problem, ...] = ()
    total_products: int = 0
    total_references: int = 0
    with_images: int = 0

    @property
    def fingerprint(self) -> str:
        """What the plan depends on; another one means another mapping."""
        described = [(item.sku, item.is_parent, *((r.url, r.slot) for r in item.references)) for item in self.products]
        return hashlib.sha256(repr(described).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class UniqueImage:
    """An image as all products use it: its address, and its file name by the highest of its slots."""

    url: str
    slot: str

    @property
    def filename(self) -> str:
        """Its name in Plytix."""
        return asset_filename(self.url, self.slot)


def in_order(references: Iterable[Reference]) -> tuple[Reference, ...]:
    """A product's references in the order of links, each address once, in the highest of its slots."""
    ranked = sorted(
        enumerate(references),
        # Of several MAIN images the last wins.
        key=lambda pair: (slot_rank(pair[1].slot), -pair[0] if pair[1].slot == MAIN else pair[0]),
    )
    unique: dict[str, Reference] = {}
    for _, reference in ranked:
        unique.setdefault(reference.url, reference)
    return tuple(unique.values())


def unique_images(products: Sequence[MappedProduct]) -> tuple[UniqueImage, ...]:
    """Every image once, those of the highest slots first: a run that breaks off has done the main images."""
    best: dict[str, str] = {}
    for product in products:
        for item in product.references:
            if item.url not in best or slot_rank(item.slot) < slot_rank(best[item.url]):
                best[item.url] = item.slot
    return tuple(sorted((UniqueImage(url, slot) for url, slot in best.items()), key=lambda item: slot_rank(item.slot)))


@dataclass(frozen=True, slots=True)
class LiveProduct:
    """A product as Plytix has it.

    Attributes:
        id: its id.
        sku: its SKU.
        gallery: ids of the assets in the gallery attribute, in order.
        thumbnail: the id of its thumbnail.
        assets: how many assets it has in all its attributes.
        ours: those of the gallery that we uploaded.
    """

    id: str
    sku: str
    gallery: tuple[str, ...] = ()
    thumbnail: str | None = None
    assets: int = 0
    ours: frozenset[str] = frozenset()


def in_place(gallery: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """A gallery with those of ``wanted`` that are in it in that order: in their own places, nothing else moves.

    What comes out is what went in, however often either names an asset: two images may turn out to be one asset.
    """
    rank = {ref: place for place, ref in enumerate(dict.fromkeys(wanted))}
    ordered = iter(sorted((ref for ref in gallery if ref in rank), key=lambda ref: rank[ref]))
    return [next(ordered) if ref in rank else ref for ref in gallery]
