"""Lines and tables of text for the console."""

import sys
from collections.abc import Collection, Sequence
from itertools import zip_longest


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
