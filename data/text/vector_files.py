"""Word vectors from a text file, in the formats of GloVe, word2vec and fastText.

Each line holds a word and its numbers, between spaces or tabs. The first line may hold the count of
words and numbers instead. Lines before the first vector may be comments (#). The file may be packed
by gzip.
"""

import gzip
import io
import re
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO, cast

import numpy as np
import torch
from torch import Tensor

from crl.data.errors import DataError
from crl.data.files.cache import expand_user
from crl.data.text.tokens import SPECIAL

_HEADER = re.compile(r"([0-9]{1,12})[ \t]+([0-9]{1,12})")  # the count of words and of numbers
_LONGEST_LINE = 2**17  # characters
_WIDEST = 2**13  # numbers a word; published vectors have some hundreds
_GZIP = b"\x1f\x8b"
_OTHER_FORMATS = {
    b"PK\x03\x04": "a zip archive; unpack it and give the text file in it",
    b"BZh": "packed by bzip2; unpack it, or pack it by gzip",
    b"\xfd7zXZ": "packed by xz; unpack it, or pack it by gzip",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}


class FileVectors(NamedTuple):
    """The vectors of a vocabulary from a file.

    ``vectors`` float32 [V, e]: zeros for a word without one. ``found`` bool [V]: which words have
    one. ``notes``: lines for the user on what was read differently than the file may suggest.
    """

    vectors: Tensor
    found: Tensor
    notes: list[str]


def glove_vectors(path: str | Path, vocabulary: list[str]) -> FileVectors:
    """Read the vectors of the words of a vocabulary, whose two special entries get none.

    The file is streamed, and only these words are kept; the first of two vectors of a word counts.
    Raises DataError if the file is missing, empty or malformed, or has none of the words.
    """
    wanted = {word: index for index, word in enumerate(vocabulary) if index >= len(SPECIAL)}
    reading = _Reading(path, wanted, {word.lower() for word in wanted})
    number = 0
    try:
        with _opened(path) as stream:
            for number, line in enumerate(iter(partial(stream.readline, _LONGEST_LINE), ""), 1):
                if len(line) == _LONGEST_LINE:
                    raise DataError(f"{path}, line {number}: longer than any word and its numbers")
                reading.take(line.rstrip(" \t\r\n\v\f"), number)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: its gzip archive is cut off or damaged after line {number}; get it again"
        ) from error
    except OSError as error:
        raise DataError(f"encoder.glove_path: cannot read {path} ({error.strerror})") from error
    return reading.result(len(vocabulary))


@contextmanager
def _opened(path: str | Path) -> Iterator[TextIO]:
    """Open a text file, packed by gzip or not. Bytes that are not UTF-8 become surrogates."""
    with expand_user(path).open("rb") as raw:
        start = raw.peek(8)
        for magic, what in _OTHER_FORMATS.items():
            if start.startswith(magic):
                raise DataError(f"encoder.glove_path: {path} is {what}")
        packed = start.startswith(_GZIP)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
        # utf-8-sig: a byte-order mark is no part of the first word.
        yield io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="\n")


@dataclass
class _Reading:
    """A file that is being read: the vectors so far, and what there is to say about it."""

    path: str | Path
    wanted: dict[str, int]
    lowered: set[str]
    rows: dict[int, np.ndarray] = field(default_factory=dict)
    width: int = 0  # numbers a word
    words: int = 0
    announced: int | None = None  # words, as the first line says
    first: str = ""
    comments: list[int] = field(default_factory=list)  # numbers of lines
    not_utf8: list[int] = field(default_factory=list)
    repeated: set[int] = field(default_factory=set)
    other_case: dict[str, str] = field(default_factory=dict)  # a word in lower case -> as it is

    def take(self, line: str, number: int) -> None:
        """Take over a line without its end."""
        if not line or (not self.words and self._is_before_vectors(line, number)):
            return
        fields = line.replace("\t", " ").split(" ")
        if not self.width:
            fields = [part for part in fields if part]
            self.width = min(_trailing_numbers(fields), len(fields) - 1)
        if len(fields) > self.width + 1 and "" in fields:  # several spaces in a row
            fields = [part for part in fields if part]
        self._check(fields, line, number)
        self.words += 1
        word = " ".join(fields[: -self.width])  # a word may hold spaces
        self.first = self.first or word
        if not word.isascii():
            if not _is_utf8(word):
                self.not_utf8.append(number)
                return
            word = unicodedata.normalize("NFC", word)
        index = self.wanted.get(word)
        if index is None:
            if word.lower() in self.lowered:
                self.other_case.setdefault(word.lower(), word)
        elif index in self.rows:
            self.repeated.add(index)
        else:
            self.rows[index] = self._numbers(fields[-self.width :], number)

    def _is_before_vectors(self, line: str, number: int) -> bool:
        """Take the count of words, or a comment; return whether the line is one of these."""
        header = _HEADER.fullmatch(line)
        if header and self.announced is None:
            self.announced, self.width = int(header[1]), int(header[2])
            self._check_width(number)
            return True
        if line.startswith("#") and not _trailing_numbers(line.split()):
            self.comments.append(number)
            return True
        return False

    def _check(self, fields: list[str], line: str, number: int) -> None:
        """Raise DataError unless the fields are a word and ``width`` numbers."""
        where = f"{self.path}, line {number}"
        if self.width < 1 or len(fields) <= self.width:
            if "\0" in line:
                raise DataError(
                    f"{where}: this is no text; save the vectors as UTF-8 text (word2vec's "
                    "binary format is not read)"
                )
            numbers = f"{self.width} numbers" if self.width else "its numbers"
            raise DataError(f"{where}: expected a word and {numbers}, but got {line[:40]!r}")
        self._check_width(number)
        between = fields[1 : -self.width]
        if between and _trailing_numbers(between) == len(between):
            raise DataError(
                f"{where}: expected a word and {self.width} numbers, but there are "
                f"{len(fields) - 1} numbers"
            )

    def _check_width(self, number: int) -> None:
        if self.width > _WIDEST:
            raise DataError(
                f"{self.path}, line {number}: {self.width} numbers a word; at most {_WIDEST} are "
                "read"
            )

    def _numbers(self, fields: list[str], number: int) -> np.ndarray:
        try:
            with np.errstate(over="ignore"):  # numbers that overflow become infinite
                values = np.array(fields, dtype=np.float32)
        except ValueError:
            values = np.array([np.nan])
        if not np.isfinite(values).all():
            raise DataError(
                f"{self.path}, line {number}: {len(fields)} finite numbers expected after the word"
            )
        return values

    def result(self, size: int) -> FileVectors:
        """The vectors of a vocabulary of this size. Raises DataError if there are none."""
        if not self.words:
            raise DataError(f"encoder.glove_path: {self.path} is empty: it has no word")
        notes = [f"{self.path}: {note}" for note in self._notes()]
        if not self.rows:
            raise DataError(
                f"encoder.glove_path: {self.path} has a vector for none of the {len(self.wanted)} "
                f"words of this data set; its first word is {_shown(self.first)}"
                + "".join(f"; {note}" for note in self._notes())
            )
        vectors, found = torch.zeros(size, self.width), torch.zeros(size, dtype=torch.bool)
        vectors[list(self.rows)] = torch.from_numpy(np.stack([*self.rows.values()]))
        found[list(self.rows)] = True
        return FileVectors(vectors, found, notes)

    def _notes(self) -> Iterator[str]:
        if self.comments:
            yield f"lines left out as comments before the vectors: {len(self.comments)}"
        if self.announced not in (None, self.words):
            yield f"its first line announces {self.announced} words, but it has {self.words}"
        if self.not_utf8:
            yield (
                f"{len(self.not_utf8)} of its {self.words} words are not UTF-8 and are left out; "
                f"the first is in line {self.not_utf8[0]}"
            )
        if self.repeated:
            yield f"words with several vectors: {len(self.repeated)} (the first counts)"
        lacking = {w.lower() for w, index in self.wanted.items() if index not in self.rows}
        if other := [word for lower, word in self.other_case.items() if lower in lacking]:
            yield (
                f"words that have a vector in another case alone: {len(other)} (such as "
                f"{_shown(other[0])}; see dataset.lowercase)"
            )


def _trailing_numbers(fields: list[str]) -> int:
    """How many fields at the end are numbers."""
    for count, text in enumerate(reversed(fields)):
        try:
            float(text)
        except ValueError:
            return count
    return len(fields)


def _is_utf8(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(word: str) -> str:
    return repr(word[:40].encode(errors="replace").decode())
