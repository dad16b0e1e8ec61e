"""The errors that end a command with one line instead of a traceback."""

from crl.data.errors import DataError


class ConfigError(Exception):
    """A configuration that cannot be run.

    The message is one line: what is wrong, where, and what would be right.
    """


class RunError(Exception):
    """A run that cannot continue, such as one with a diverged loss or a damaged checkpoint.

    The message is one line that says how to proceed.
    """


def one_line(error: BaseException) -> str:
    """Return the error's message in one line, after its type unless the error is one of ours."""
    text = " ".join(str(error).split())
    return (
        text
        if isinstance(error, ConfigError | DataError | RunError)
        else f"{type(error).__name__}: {text}"
    )
