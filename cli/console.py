"""What the verbs print beside their results."""

import sys
from typing import Any


def say(line: str) -> None:
    """A line for the user that is not a result."""
    print(line, file=sys.stderr, flush=True)


def say_warnings(result: dict[str, Any]) -> None:
    """What makes the numbers of a result doubtful, a line each."""
    for warning in result.get("warnings", []):  # those of earlier versions have none
        say(f"warning: {warning['message']}")
