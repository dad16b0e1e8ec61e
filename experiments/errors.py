"""What ends a command with one line instead of a traceback."""

from data.errors import DataError


class ConfigError(Exception):
    """A configuration that cannot be run. The message is one line: what is wrong, where, and what
    would be right."""


class RunError(Exception):
    """A run that cannot go on (a diverged loss, a damaged checkpoint). The message is one line that
    says the way out."""


def one_line(error: BaseException) -> str:
    """What went wrong, in one line; with its kind where it is none of ours."""
    text = " ".join(str(error).split())
    return (
        text
        if isinstance(error, ConfigError | DataError | RunError)
        else f"{type(error).__name__}: {text}"
    )
