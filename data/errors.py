"""The one error that bad data raises, and how it names many things at once."""

from collections.abc import Iterable


class DataError(Exception):
    """Data that cannot be used.

    The message is one line: what is wrong, where, and what would be right.
    """


def some(things: Iterable[str], most: int = 3) -> str:
    """``a, b, c and 4 more``: the first few of many, and how many the others are."""
    every = list(things)
    shown = ", ".join(every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown


def unusable(faults: list[str], counted: str) -> DataError:
    """The error on files with a fault each: one alone, or their number and the first few.

    ``faults``: clauses, each with its file. ``counted``: what stands behind the number of them.
    """
    if len(faults) == 1:
        return DataError(f"{faults[0]}; remove or replace it")
    return DataError(f"{len(faults)} {counted}: {some(faults)}; remove or replace them")
