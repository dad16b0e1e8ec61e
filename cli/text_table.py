"""Aligned columns of text for the console."""

from collections.abc import Collection, Sequence
from itertools import zip_longest


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
