"""The errors that end a command with one line instead of a traceback."""

import errno

from crl.data.errors import DataError

# Of torch's allocators, CUDA's libraries, C++ and the loader of libraries.
_NO_MEMORY = (
    "out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory",
    "alloc_failed", "bad_alloc", "failed to map segment from shared object",
)  # fmt: skip


class ConfigError(Exception):
    """A configuration that cannot be run.

    The message is one line: what is wrong, where, and what would be right.
    """


class RunError(Exception):
    """A run that cannot continue, such as one with a diverged loss or a damaged checkpoint.

    The message is one line that says how to proceed.
    """


class OutOfMemory(RunError):
    """A run that needs more memory than there is."""


def one_line(error: BaseException) -> str:
    """Return the error's message in one line, after its type unless the error is one of ours."""
    text = " ".join(str(error).split())
    return (
        text
        if isinstance(error, ConfigError | DataError | RunError)
        else f"{type(error).__name__}: {text}".removesuffix(": ")
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the error is one of the many that libraries raise without enough memory."""
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, RuntimeError | ImportError) and any(m in text for m in _NO_MEMORY))
    )
