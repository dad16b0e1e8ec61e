"""What the verbs print beside their results."""

import sys
from typing import Any


def say(line: str) -> None:
    """A line for the user that is not a result."""
    print(printable(line), file=sys.stderr, flush=True)


def printable(line: str) -> str:
    """The line with what cannot be printed escaped: a file's name must neither move the cursor nor
    end the line."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def say_warnings(result: dict[str, Any]) -> None:
    """What makes the numbers of a result doubtful, a line each."""
    for warning in result["warnings"]:
        say(f"warning: {warning['message']}")
