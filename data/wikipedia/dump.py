"""Pages of a Wikipedia dump, read as a stream: the memory that takes does not grow with the
dump."""

import bz2
import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, cast
from xml.parsers import expat

from data.errors import DataError

_CHUNK = 2**18  # bytes of XML parsed at a time
_LONGEST_TAG = 2**24  # bytes; expat keeps a whole tag in memory
_DEEPEST = 32  # elements inside each other; a dump has 5
# XML has no control characters but tab and line breaks, nor these two; MediaWiki writes none of
# them.
_CONTROL = bytes(code if code > 31 or code in b"\t\n\r" else ord("?") for code in range(256))
_NO_CHARACTER = str.maketrans("\ufffe\uffff", "\ufffd\ufffd")
_FIELDS = {
    "title": 2,
    "ns": 2,
    "model": 3,
    "text": 3,
    "namespace": 3,
}  # what is read -> how many elements it is in


class BrokenDump(DataError):
    """A dump that cannot be read to its end. The message says where it breaks; all pages before
    were given out."""


@dataclass(frozen=True)
class Page:
    """A page of a dump. Its namespace is 0 for articles; text is that of its last revision, None if
    it is too large."""

    title: str
    namespace: int
    redirect: bool
    model: str
    text: str | None


class PageReader:
    """Iterates once over the pages of a dump: .xml, .xml.bz2 (of one or many streams) or .xml.gz,
    whatever it is called.

    The first ``skip`` pages are passed over without collecting their text. Text of more than
    ``max_bytes`` bytes of UTF-8 is not kept, nor ever whole in memory. Bytes that are not UTF-8 are
    replaced. A document type, without which there are no entities to expand, is refused.
    ``advanced`` is told from time to time how many bytes of the file are read; ``namespaces``
    (number -> name in the dump's language) is complete before the first page.

    Raises DataError for a file that is no dump, BrokenDump for one that is cut off or damaged,
    behind its last whole page.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        skip: int = 0,
        advanced: Callable[[int], object] = lambda position: None,
    ) -> None:
        self.path = path
        self.namespaces: dict[int, str] = {}
        self._max_bytes = max_bytes
        self._skip = skip
        self._advanced = advanced
        self._parsed = 0  # bytes of XML
        self._pages = 0  # whole ones that the parser has seen
        self._last = ""
        self._ready: list[Page] = []
        self._inside: list[str] = []
        self._found: dict[str, str | None] = {}
        self._parts: list[str] = []
        self._size = 0
        self._key = ""
        self._redirect = False
        self._dump = False
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.buffer_size = 2**16
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse_document_type

    def __iter__(self) -> Iterator[Page]:
        with self._open() as raw:
            try:
                for clean, position in _clean(raw):
                    self._parse(clean)
                    yield from self._given()
                    self._advanced(position)
                self._parser.Parse(b"", True)
            except (expat.ExpatError, OSError, EOFError, zlib.error) as error:
                yield from self._given()
                self._break(_reason(error), raw.tell())

    def check(self) -> None:
        """Raises DataError unless the file begins as a dump does. Of a reader that is not iterated
        over."""
        with self._open() as raw:
            try:
                for clean, _ in _clean(raw):
                    self._parse(clean)
                    if self._dump:
                        return
                self._parser.Parse(b"", True)
            except (expat.ExpatError, OSError, EOFError, zlib.error) as error:
                if not self._dump:  # else it is told in its place
                    self._break(_reason(error), raw.tell())

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read ({error.strerror}); give a Wikipedia dump"
            ) from error

    def _break(self, why: str, position: int) -> NoReturn:
        if not self._dump:
            raise DataError(
                f"{self.path} is no Wikipedia dump ({why}); give a pages-articles .xml, .xml.bz2 or .xml.gz file"
            )
        size = self.path.stat().st_size
        after = (
            f"after page {self._pages:,} ({self._last!r})"
            if self._pages
            else "before the first page"
        )
        raise BrokenDump(
            f"{self.path} is cut off or damaged near byte {position:,} of {size:,}, {after}: {why}"
        )

    def _given(self) -> Iterator[Page]:
        ready, self._ready = self._ready, []
        yield from ready

    def _parse(self, clean: bytes) -> None:
        """Raises ExpatError."""
        self._parser.Parse(clean)
        self._parsed += len(clean)
        if self._parsed - self._parser.CurrentByteIndex > _LONGEST_TAG:
            raise expat.ExpatError("a tag without an end")

    def _refuse_document_type(self, *declaration: object) -> NoReturn:
        raise expat.ExpatError("it declares a document type, which no dump has")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        depth = len(self._inside)
        if depth == 0:
            if tag != "mediawiki":
                raise expat.ExpatError(f"its outermost element is <{tag[:40]}>, not <mediawiki>")
            self._dump = True
        if depth == _DEEPEST:
            raise expat.ExpatError(f"more than {_DEEPEST} elements inside each other")
        self._inside.append(tag)
        if depth == 1 and tag == "page":
            self._found, self._redirect = {}, False
        elif depth == 2 and tag == "redirect":
            self._redirect = True
        elif _FIELDS.get(tag) == depth and (
            self._pages >= self._skip or tag in ("title", "namespace")
        ):
            self._key = attributes.get("key", "")
            self._parts, self._size = [], 0
            self._parser.CharacterDataHandler = self._characters

    def _characters(self, text: str) -> None:
        self._size += len(text) if text.isascii() else len(text.encode())
        self._parts.append(text)
        if self._size > self._max_bytes:
            self._parts = []

    def _end(self, tag: str) -> None:
        self._inside.pop()
        if self._parser.CharacterDataHandler is not None:
            value = None if self._size > self._max_bytes else "".join(self._parts)
            self._parser.CharacterDataHandler = None
            if tag == "namespace":
                self.namespaces[_number(self._key, -1)] = value or ""
            else:
                self._found[tag] = value
        if tag == "page" and len(self._inside) == 1:
            self._pages += 1
            page = self._page()
            self._last = page.title
            if self._pages > self._skip:
                self._ready.append(page)

    def _page(self) -> Page:
        title = " ".join((self._found.get("title") or "").replace("_", " ").split())
        if (given := self._found.get("ns")) is not None:
            namespace = _number(given, -1)
        else:  # dumps from before 2012 name it in the title alone
            prefix = title.partition(":")[0] if ":" in title else ""
            namespace = next(
                (number for number, name in self.namespaces.items() if name and name == prefix), 0
            )
        text = self._found.get("text", "")
        return Page(title, namespace, self._redirect, self._found.get("model") or "wikitext", text)


def _clean(raw: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(the next piece of XML in UTF-8, how many bytes of the file are read)."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    stream = _decompressed(raw)
    while chunk := stream.read(_CHUNK):
        yield _encoded(decoder.decode(chunk.translate(_CONTROL))), raw.tell()
    yield _encoded(decoder.decode(b"", True)), raw.tell()


def _encoded(text: str) -> bytes:
    return (
        text.translate(_NO_CHARACTER) if "\ufffe" in text or "\uffff" in text else text
    ).encode()


def _decompressed(raw: BinaryIO) -> BinaryIO:
    head = raw.read(3)
    raw.seek(0)
    if head == b"BZh":
        return cast(BinaryIO, bz2.BZ2File(raw))
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if head[:2] == b"\x1f\x8b" else raw


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the compressed data end too early"
    text = str(error)
    return (
        "the XML ends too early"
        if text.startswith(("no element found", "unclosed token"))
        else text
    )


def _number(text: str, otherwise: int) -> int:
    try:
        return int(text)
    except ValueError:
        return otherwise
