"""A process that has imported everything, and forks one that runs a ``crl`` command for every line
that it reads.

A start takes milliseconds instead of seconds, so that hundreds of processes can be killed. Each is
a process of its own for all that matters here: memory, open files, locks, signals. Requests and
answers are lines of JSON.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any


def serve() -> None:
    from quick_theory import draw_less

    import crl.experiments.run  # noqa: F401
    from crl.experiments.config.compose import compose_config

    draw_less()
    for dataset in ("glyphs", "documents"):
        compose_config([f"dataset={dataset}"])
    print(json.dumps("ready"), flush=True)
    ended: dict[int, int] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = _exit_code(request["wait"], ended, 0)
        elif "poll" in request:
            answer = _exit_code(request["poll"], ended, os.WNOHANG)
        else:
            answer = os.fork()
            if answer == 0:
                _child(request)
        print(json.dumps(answer), flush=True)


def _exit_code(pid: int, ended: dict[int, int], options: int) -> int | None:
    """The exit code of a child; None if it is still there and ``options`` do not wait."""
    if pid not in ended:
        found, status = os.waitpid(pid, options)
        if found == 0:
            return None
        ended[pid] = os.waitstatus_to_exitcode(status)
    return ended[pid]


def _child(request: dict[str, Any]) -> None:
    """Run the command with the faults of the request; never return."""
    from crl.cli.main import main

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in enumerate(request["streams"], start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), descriptor)
    os.environ.update(request["environment"])
    if (largest := request["largest_file"]) is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    if request["die_at"] is not None:
        _die_at(*request["die_at"])
    if request["powerless"]:
        _drop_privileges()
    code = 70  # what is none of ours: a traceback
    try:
        code = main(request["arguments"])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _drop_privileges() -> None:
    """Let permissions of files hold for root too, as they do for everybody else.

    Another user would not do: it may not even be able to read the code.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version_3 = (ctypes.c_uint32 * 2)(0x20080522, 0)
    none = (ctypes.c_uint32 * 6)()
    if libc.capset(version_3, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _die_at(what: str, number: int) -> None:
    """Kill this process at the given number of ``what``.

    ``what``: a file is "synced", or "before renamed", or "after renamed".
    """
    left = number

    def counted() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    fsync, replace = os.fsync, Path.replace

    def dying_fsync(descriptor: int) -> None:
        if what == "synced":
            counted()
        fsync(descriptor)

    def dying_replace(self: Path, target: Path) -> Path:
        if what == "before renamed":
            counted()
        found = replace(self, target)
        if what == "after renamed":
            counted()
        return found

    os.fsync = dying_fsync
    Path.replace = dying_replace  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    serve()
