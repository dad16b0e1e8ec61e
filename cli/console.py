"""What the verbs print besides their results."""

import sys


def say(line: str) -> None:
    """Print a line for the user that is not a result, on standard error."""
    print(printable(line), file=sys.stderr, flush=True)


def printable(line: str) -> str:
    """Return the line with unprintable characters escaped.

    A file's name could otherwise move the cursor or end the line.
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
