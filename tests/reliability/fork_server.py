"""A process that has imported everything, and forks one that runs a ``crl`` command for every line
that it reads.

A start takes milliseconds instead of seconds, so that hundreds of processes can be killed. Each is
a process of its own for all that matters here: memory, open files, locks, signals. Requests and
answers are lines of JSON.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any


def serve() -> None:
    import crl.experiments.run  # noqa: F401
    from crl.experiments.config.compose import compose_config

    for dataset in ("glyphs", "documents"):
        compose_config([f"dataset={dataset}"])
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
        else:
            pid = os.fork()
            if pid == 0:
                _child(request)
            print(json.dumps(pid), flush=True)


def _child(request: dict[str, Any]) -> None:
    """Run the command with the faults of the request; never return."""
    from crl.cli.main import main

    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(request["environment"])
    if (largest := request["largest_file"]) is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    if request["die_at"] is not None:
        _die_at(*request["die_at"])
    if (user := request["user"]) is not None:
        os.setgid(user)
        os.setuid(user)
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
