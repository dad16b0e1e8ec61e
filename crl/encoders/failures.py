"""What went wrong in other people's code, in one line."""

from traceback import format_exception_only

_LONGEST = 200  # characters


def first_line(error: BaseException) -> str:
    """Return the error's type and the first line of its message, if it has one."""
    line = "".join(format_exception_only(error)).strip().split("\n")[0].rstrip(": ")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
