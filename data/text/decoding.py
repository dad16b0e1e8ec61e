"""From the bytes of somebody's text files to text, in whatever encoding they are.

A mark at the beginning (UTF-8, UTF-16, UTF-32) decides. A file without one is UTF-8 if it can be;
the encoding of the others is guessed, unless it was given.
"""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from crl.data.errors import DataError, some

GUESS = "guess"
_MARKS = {  # the longer ones first: UTF-32's begins as UTF-16's does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LARGEST_FILE = 2**28  # bytes; split into words, a file takes many times that much memory
_SAMPLE = 20_000  # bytes of a file that a guess reads, all of lines that are not ASCII
_MOST_GUESSES = 500  # files guessed one by one
_TELLING = 50  # bytes beyond ASCII that a file's own guess needs
_BEYOND = re.compile(rb"[\x80-\xff]")
_CANDIDATES = 5
_MIXED = re.compile(r"[A-Za-z](?=[\u0370-\u1dff])|[\u0370-\u1dff](?=[A-Za-z])")
# Windows' encodings hold more than the standards that they extend.
_LARGER = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
}


@dataclass(frozen=True)
class Decoder:
    """How to decode the files of a data set.

    ``encoding``: that of files without a mark that are not listed. ``others``: name of a file ->
    its encoding. ``notes``: lines for the user.
    """

    encoding: str
    others: dict[str, str]
    notes: list[str]

    def text(self, name: str, content: bytes) -> str:
        """The text of a file, without its mark and with broken bytes replaced.

        Every line ends in a line feed alone.
        """
        encoding = _marked(content) or self.others.get(name, self.encoding)
        text = content.decode(encoding, "replace").replace("\ufeff", "")
        return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def find_encodings(
    names: Iterable[str], read: Callable[[str], bytes], encoding: str = GUESS
) -> Decoder:
    """Find out how to decode the files of these names; ``read`` returns the bytes of one.

    encoding: that of files without a mark; "guess" for UTF-8 where it fits, else a guess, which is
    told in a note. Raises DataError for an encoding that does not exist.
    """
    guessing = encoding == GUESS
    try:
        b"a".decode("utf-8" if guessing else encoding, "replace")
    except (LookupError, ValueError) as error:
        raise DataError(
            f"dataset.encoding: there is no {encoding!r}; give one such as utf-8, cp1250 or "
            "utf-16, or guess"
        ) from error
    marks, others, samples = Counter[str](), dict[str, str](), dict[str, bytes]()
    broken, count = list[str](), 0
    for name in names:
        count += 1
        content = read(name)
        if mark := _marked(content):
            marks.update([mark] if mark != "utf-8-sig" else [])
        elif not guessing:
            broken += [] if _fits(content, encoding) else [name]
        elif wide := _without_mark(content):
            others[name] = wide
        elif not _fits(content, "utf-8"):
            if _is_nearly_utf8(content):
                broken.append(name)
            else:
                samples[name] = _sample(content)
    others |= _guessed(samples)
    broken += [name for name in samples if name not in others]
    notes = _notes(count, marks, Counter(others.values()))
    if broken:
        notes.append(
            f"{len(broken)} of {count} files hold bytes that are not "
            f"{'UTF-8' if guessing else encoding}, which are replaced: {some(broken)}"
        )
    return Decoder("utf-8" if guessing else encoding, others, notes)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file. Raises DataError if it cannot be read or is far too large."""
    try:
        if (size := path.stat().st_size) > _LARGEST_FILE:
            raise DataError(
                f"{path} has {size} bytes; a document has at most {_LARGEST_FILE}, so divide it"
            )
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def read_text(path: Path) -> str:
    """Return the text of one file. Raises DataError as :func:`read_bytes` does."""
    content = read_bytes(path)
    return find_encodings([path.name], lambda name: content).text(path.name, content)


def _marked(content: bytes) -> str | None:
    return next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)


def _fits(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except ValueError:
        return False
    return True


def _without_mark(content: bytes) -> str | None:
    """UTF-16's name if every other byte of a file is often zero, and none of the others."""
    head = content[:_SAMPLE]
    if b"\0" not in head or len(content) % 2:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    name = "utf-16-be" if even > odd else "utf-16-le"
    rare = min(even, odd) * 20 < max(even, odd)
    return name if rare and max(even, odd) * 200 > len(head) and _fits(content, name) else None


def _is_nearly_utf8(content: bytes) -> bool:
    """Return whether a file is UTF-8 but for some damaged bytes, or was cut in a character."""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(content[: 2**20])
    damaged = text.count("\ufffd")
    whole = len(re.findall(r"[^\0-\x7f]", text)) - damaged
    return whole >= max(damaged, 1)


def _sample(content: bytes) -> bytes:
    """Lines that tell the encoding: those with a byte beyond ASCII."""
    size, lines = 0, []
    for line in re.finditer(rb"[^\n]*[\x80-\xff][^\n]*\n?", content):
        lines.append(line[0][:_SAMPLE])
        size += len(line[0])
        if size > _SAMPLE:
            break
    return b"".join(lines)


def _guessed(samples: dict[str, bytes]) -> dict[str, str]:
    """The encoding of every file whose sample is text in some encoding.

    A file that says enough has a guess of its own; the others have one together. Where the most
    frequent of all guesses gives the same script and as many letters, it is taken, so that a word
    is the same in all files.
    """
    telling = (name for name in samples if len(_BEYOND.findall(samples[name])) >= _TELLING)
    guesses = {name: _guess(samples[name]) for name in islice(telling, _MOST_GUESSES)}
    rest = [name for name in samples if name not in guesses]
    share = max(10 * _SAMPLE // max(len(rest), 1), 200)
    common = _guess(b"\n".join(samples[name][:share] for name in rest))
    guesses |= dict.fromkeys(rest, common)
    votes = Counter[str]()
    for name, guess in guesses.items():
        votes[guess or ""] += len(samples[name])
    ranked = [name for name, _ in votes.most_common() if name]
    chosen = {}
    for name, guess in guesses.items():
        sample = samples[name]
        if guess is not None and _fits(sample, guess):
            script, letters = _letters(sample, guess)
            found = ((n, _letters(sample, n)) for n in ranked if _fits(sample, n))
            chosen[name] = next(n for n, (of, count) in found if of == script and count >= letters)
    return chosen


def _guess(sample: bytes) -> str | None:
    """The encoding that fits a sample best, by Python's name; None if it is no text."""
    if not sample:
        return None
    try:
        from chardet import EncodingEra, detect_all
    except ImportError as error:
        raise DataError(
            "a text file is not UTF-8; pip install chardet to guess its encoding, or give it as "
            "dataset.encoding=NAME"
        ) from error
    eras = EncodingEra.MODERN_WEB | EncodingEra.LEGACY_ISO | EncodingEra.DOS
    for found in detect_all(sample, encoding_era=eras, ignore_threshold=True)[:_CANDIDATES]:
        if name := found["encoding"] and codecs.lookup(found["encoding"]).name:
            for encoding in (_LARGER.get(name, name), name):
                if _fits(sample, encoding) and not _mixes_scripts(sample.decode(encoding)):
                    return encoding
    return None


def _mixes_scripts(text: str) -> bool:
    """Return whether Latin letters stand beside others inside words, which says a wrong guess."""
    return len(_MIXED.findall(text)) > 0.2 * len(re.findall(r"[^\W\d_\0-\x7f]", text))


def _letters(sample: bytes, encoding: str) -> tuple[str, int]:
    """(script of most letters beyond ASCII, such as LATIN; how many letters)."""
    letters = re.findall(r"[^\W\d_\0-\x7f]", sample.decode(encoding)[:5000])
    scripts = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in letters)
    return max(scripts, key=scripts.__getitem__, default=""), len(letters)


def _notes(count: int, marks: Counter[str], guessed: Counter[str]) -> list[str]:
    """What the user is told about files that are not UTF-8."""
    if not (marks or guessed):
        return []
    read = [f"{name} (their mark)" for name in marks]
    if guessed:
        names = ", ".join(name for name, _ in guessed.most_common())
        read.append(f"{names} (a guess; dataset.encoding=NAME corrects it)")
    total = marks.total() + guessed.total()
    return [f"{total} of {count} files are not UTF-8; read as {', '.join(read)}"]
