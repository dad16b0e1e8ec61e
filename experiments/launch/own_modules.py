"""Python processes that import what is meant, whatever files lie in the working directory."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import crl

_VARIABLE, _OURS = "PYTHONSAFEPATH", "set-by-crl"  # any text turns it on; Python 3.10 ignores it


@contextmanager
def starting() -> Iterator[None]:
    """Let Python processes that are started meanwhile not search the working directory first.

    Python does so after ``-m`` and ``-c``, which multiprocessing, joblib and submitit use. A user's
    ``socket.py`` or ``crl/`` there would be imported in place of what is meant. Where ``crl``
    itself lies in the working directory, nothing changes. A process that is started so calls
    :func:`started`.
    """
    here = Path(crl.__file__).resolve().parents[1] == Path.cwd().resolve()
    if here or _VARIABLE in os.environ:
        yield
        return
    os.environ[_VARIABLE] = _OURS
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)


def started(path: Sequence[str] = ()) -> None:
    """Set up a process that :func:`starting` has started.

    Processes of a user's plug-in are started as ever. ``path`` is the ``sys.path`` of the command:
    what a plug-in imports there, it imports here too.
    """
    if os.environ.get(_VARIABLE) == _OURS:
        del os.environ[_VARIABLE]
    sys.path += [place for place in path if place not in sys.path]
