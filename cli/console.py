"""Lines and tables of text for the console."""

import codecs
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Sequence
from itertools import zip_longest

# The letters that crl itself prints beside ASCII, for consoles that lack them.
_SPELLED = {"±": "+-", "−": "-", "–": "-", "…": "...", "“": '"', "”": '"', "μ": "mu", "τ": "tau"}
_SPELLED |= {"≤": "<=", "≥": ">=", "≠": "!="}
_WRITTEN = 100  # the characters in a line of help as it stands in the code
_SECOND_COLUMN = re.compile(r"(.*\S {2,}| *)")  # what stands before it, or before the only one


def print_in_any_encoding() -> None:
    """Let a letter that the console's encoding lacks end no command: it is spelled out instead."""
    codecs.register_error("crl.spelled", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's stream has none, and takes all letters
            stream.reconfigure(errors="crl.spelled")


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    escaped = (_SPELLED.get(x) or x.encode("ascii", "backslashreplace").decode() for x in letters)
    return "".join(escaped), error.end


def line_width() -> int:
    """The width of help in characters: that of the terminal, between 72 and 100."""
    return max(72, min(shutil.get_terminal_size((100, 24)).columns, _WRITTEN))


def fitted(text: str, width: int) -> str:
    """Return help that was written for 100 characters, wrapped to fewer.

    What stands in a second column stays there. Example commands stay on their line.
    """
    if width >= _WRITTEN:
        return text
    paragraphs: list[tuple[int, list[str]]] = []  # the column of the text, its lines
    for line in text.splitlines():
        words = line.split()
        if words and paragraphs:
            column, before = paragraphs[-1]
            goes_on = len(before[-1]) + 1 + len(words[0]) > _WRITTEN
            if goes_on and len(line) - len(line.lstrip()) == column:
                before.append(line)
                continue
        paragraphs.append((_SECOND_COLUMN.match(line).end(), [line]))  # type: ignore[union-attr]
    return "\n".join(_wrapped(column, lines, width) for column, lines in paragraphs)


def _wrapped(column: int, lines: list[str], width: int) -> str:
    first, *rest = lines
    is_command = first.lstrip().startswith("crl ") and not first[:column].strip()
    if is_command or max(map(len, lines)) <= width:
        return "\n".join(lines)
    left, text = first[:column], " ".join([first[column:], *map(str.strip, rest)])
    room = max(width - column, 20)
    wrapped = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return left + f"\n{' ' * column}".join(wrapped)


def say(line: str) -> None:
    """Print a line for the user that is not a result, on standard error."""
    print(printable(line), file=sys.stderr, flush=True)


def printable(line: str) -> str:
    """Return the line with unprintable characters escaped.

    A file's name could otherwise move the cursor or end the line.
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] = (), gap: str = "  ") -> str:
    """Join the rows to lines whose columns have equal width.

    Columns are right-aligned, except those whose index is in ``left``. Rows may be of unequal
    length. Lines have no trailing spaces.
    """
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]

    def line(row: Sequence[str]) -> str:
        cells = (
            text.ljust(widths[index]) if index in left else text.rjust(widths[index])
            for index, text in enumerate(row)
        )
        return gap.join(cells).rstrip()

    return "\n".join(map(line, rows))
