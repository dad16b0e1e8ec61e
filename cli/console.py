"""What the verbs print beside their results."""

import sys


def say(line: str) -> None:
    """A line for the user that is not a result."""
    print(line, file=sys.stderr, flush=True)
