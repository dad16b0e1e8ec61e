"""The pages of a Wikipedia dump, read as a stream in constant memory."""

import bz2
import codecs
import gzip
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, cast
from xml.parsers import expat

from crl.data.errors import DataError

_CHUNK = 2**18  # bytes of XML parsed at a time
_LONGEST_TAG = 2**24  # bytes; expat keeps a whole tag in memory
_DEEPEST = 32  # elements inside each other; a dump has 5
# XML allows neither control characters, apart from tab and line breaks, nor these two characters.
# MediaWiki writes none of them.
_CONTROL = bytes(code if code > 31 or code in b"\t\n\r" else ord("?") for code in range(256))
_NO_CHARACTER = str.maketrans("\ufffe\uffff", "\ufffd\ufffd")
_TOO_EARLY = "the compressed data end too early"
_XML_TOO_EARLY = "the XML ends too early"
_OTHER_KINDS = {
    b"7z\xbc\xaf": "a 7z archive (unpack it)",
    b"\xfd7zXZ": "an xz file (unpack it)",
    b"PK\x03\x04": "a zip archive (unpack it)",
    b"-- ": "a dump of SQL tables",
    b"<!DOCTYPE html": "a web page",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"{": "a JSON file",
}
# Element that is read -> number of elements around it.
_FIELDS = {"title": 2, "ns": 2, "model": 3, "text": 3, "namespace": 3}


class BrokenDump(DataError):
    """A dump that cannot be read to its end; the message says where it breaks.

    The pages before have been yielded.
    """


@dataclass(frozen=True)
class Page:
    """A page of a dump, as of its last revision.

    ``namespace``: 0 for articles. ``model``: "wikitext" for articles. ``text``: None if too large.
    """

    title: str
    namespace: int
    redirect: bool
    model: str
    text: str | None


class PageReader:
    """An iterator that goes once over the pages of a dump.

    ``path``: .xml, .xml.bz2 (of one or several streams) or .xml.gz; its content tells which.
    ``max_bytes``: a longer text (UTF-8) is dropped while it is read. ``skip``: pages at the
    beginning to pass over. ``advanced``: called with the number of bytes of the file that are read.
    ``namespaces``: number -> name in the dump's language, complete before the first page.

    Bytes that are not UTF-8 are replaced. A document type is refused, so that there are no entities
    to expand. Raises DataError for a file that is no dump; BrokenDump, after the last whole page,
    for one that is cut off or damaged.
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
        self._pages = 0  # whole pages that the parser has seen
        self._last = ""  # the title of the last of them
        self._ready = deque[Page]()
        self._open_tags: list[str] = []
        self._values: dict[str, str | None] = {}  # of this page: element -> its text
        self._pieces: list[str] = []  # of the text of this element
        self._size = 0  # bytes
        self._key = ""
        self._is_dump = False  # the outermost element is that of a dump
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.buffer_size = 2**16
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse_document_type

    def __iter__(self) -> Iterator[Page]:
        for position in self._parsed_up_to():
            while self._ready:
                yield self._ready.popleft()
            self._advanced(position)

    def check(self) -> None:
        """Raise DataError unless the file begins as a dump does. Use another reader to iterate."""
        for _ in self._parsed_up_to():
            if self._is_dump:  # __iter__ raises what comes later
                return

    def _parsed_up_to(self) -> Iterator[int]:
        """Parse the file; yield the number of its bytes that are read after every piece.

        Where it breaks, yield once more before raising, since a piece may hold whole pages.
        """
        try:
            raw = self.path.open("rb")
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read ({error.strerror}); give a Wikipedia dump"
            ) from error
        parsed = 0  # bytes of XML
        with raw:
            try:
                for clean in _clean(raw):
                    self._parser.Parse(clean)
                    parsed += len(clean)
                    if parsed - self._parser.CurrentByteIndex > _LONGEST_TAG:
                        raise expat.ExpatError("a tag without an end")
                    yield raw.tell()
                self._parser.Parse(b"", True)
            except (expat.ExpatError, OSError, EOFError, zlib.error) as error:
                yield raw.tell()
                self._break(_reason(error), raw.tell())

    def _break(self, why: str, position: int) -> NoReturn:
        if not self._is_dump:
            raise DataError(_no_dump(self.path, why))
        after = (
            f"after page {self._pages:,} ({self._last!r})"
            if self._pages
            else "before the first page"
        )
        raise BrokenDump(
            f"{self.path} is cut off or damaged near byte {position:,} of "
            f"{self.path.stat().st_size:,}, {after}: {why}"
        )

    def _refuse_document_type(self, *declaration: object) -> NoReturn:
        raise expat.ExpatError("it declares a document type, which no dump has")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        depth = len(self._open_tags)
        if depth == 0:
            if tag != "mediawiki":
                raise expat.ExpatError(f"its outermost element is <{tag[:40]}>, not <mediawiki>")
            self._is_dump = True
        if depth == _DEEPEST:
            raise expat.ExpatError(f"more than {_DEEPEST} elements inside each other")
        self._open_tags.append(tag)
        if depth == 1 and tag == "page":
            self._values = {}
        elif depth == 2 and tag == "redirect":
            self._values[tag] = ""
        elif _FIELDS.get(tag) == depth and (
            self._pages >= self._skip or tag in ("title", "namespace")
        ):
            self._key = attributes.get("key", "")
            self._pieces, self._size = [], 0
            self._parser.CharacterDataHandler = self._characters

    def _characters(self, text: str) -> None:
        self._size += len(text) if text.isascii() else len(text.encode())
        self._pieces.append(text)
        if self._size > self._max_bytes:
            self._pieces = []

    def _end(self, tag: str) -> None:
        self._open_tags.pop()
        if self._parser.CharacterDataHandler is not None:
            value = None if self._size > self._max_bytes else "".join(self._pieces)
            self._parser.CharacterDataHandler = None
            if tag == "namespace":
                self.namespaces[_number(self._key)] = value or ""
            else:
                self._values[tag] = value
        if tag == "page" and len(self._open_tags) == 1:
            self._pages += 1
            page = self._page()
            self._last = page.title
            if self._pages > self._skip:
                self._ready.append(page)

    def _page(self) -> Page:
        title = " ".join((self._values.get("title") or "").replace("_", " ").split())
        if (number_text := self._values.get("ns")) is not None:
            namespace = _number(number_text)
        else:  # dumps from before 2012 have the namespace in the title alone
            prefix = title.partition(":")[0] if ":" in title else ""
            namespace = next(
                (number for number, name in self.namespaces.items() if name and name == prefix), 0
            )
        text = self._values.get("text", "")
        model = self._values.get("model") or "wikitext"
        return Page(title, namespace, "redirect" in self._values, model, text)


def _no_dump(path: Path, why: str) -> str:
    """What to say of a file that does not begin as a dump does."""
    wanted = "give a pages-articles .xml, .xml.bz2 or .xml.gz file"
    with path.open("rb") as raw:
        try:
            head = _decompressed(raw).read(60)
        except (OSError, EOFError, zlib.error):
            head = b""
    if why == _TOO_EARLY:
        size = path.stat().st_size
        return f"{path} is cut off after {size:,} bytes, before the first page; download it again"
    if why == _XML_TOO_EARLY and not head.strip():
        return f"{path} is empty; {wanted}"
    if kind := next((name for magic, name in _OTHER_KINDS.items() if head.startswith(magic)), None):
        return f"{path} is {kind}, no Wikipedia dump; {wanted}"
    begins = f"; it begins with {head.decode('utf-8', 'replace')[:30]!r}" if head else ""
    return f"{path} is no Wikipedia dump ({why}{begins}); {wanted}"


def _clean(raw: BinaryIO) -> Iterator[bytes]:
    """Yield the XML piece by piece, in UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    stream = _decompressed(raw)
    while chunk := stream.read(_CHUNK):
        yield _encoded(decoder.decode(chunk.translate(_CONTROL)))
    yield _encoded(decoder.decode(b"", True))


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
        return _TOO_EARLY
    text = str(error)
    return _XML_TOO_EARLY if text.startswith(("no element found", "unclosed token")) else text


def _number(text: str) -> int:
    """The number of a namespace; -1, which no page has, if it is none."""
    try:
        return int(text)
    except ValueError:
        return -1
