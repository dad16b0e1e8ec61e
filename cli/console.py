"""Lines and tables of text for the console."""

import codecs
import shutil
import sys
from collections.abc import Collection, Sequence
from itertools import zip_longest

# The letters that crl itself prints beside ASCII, for consoles that lack them.
_SPELLED = {"±": "+-", "−": "-", "–": "-", "…": "...", "“": '"', "”": '"', "μ": "mu", "τ": "tau"}
_SPELLED |= {"≤": "<=", "≥": ">=", "≠": "!="}


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
    return max(72, min(shutil.get_terminal_size((100, 24)).columns, 100))


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
