"""Two processes at once: one run folder has room for one of them; in one cache, one waits."""

import os
import re
import socket
from pathlib import Path

from processes import ForkServer, Undisturbed, same
from waiting import until


def test_one_runs_and_the_other_is_told_who(
    crl: ForkServer, texts: Undisturbed, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = [*texts.command, f"run_dir={run}", "training.steps=100000"]
    first = crl.start(*command, cache=texts.cache)
    until((run / "metrics.jsonl").exists, first)
    second = crl.run(*command, cache=texts.cache)
    assert second.code == 2
    who = rf"another crl process \(pid {first.pid} on {socket.gethostname()}, since 20\d\d-.*\)"
    assert re.fullmatch(
        rf"crl: {run} is in use by {who}; wait for it, or choose a run_dir", second.last
    )
    first.kill()
    third = crl.start(*command, cache=texts.cache)  # the lock went with the process
    size = (run / "metrics.jsonl").stat().st_size
    until(lambda: (run / "metrics.jsonl").stat().st_size > size, third)
    third.kill()


def test_started_at_once_again_and_again(
    crl: ForkServer, texts: Undisturbed, tmp_path: Path
) -> None:
    """The second process may come so late that it reads the result of the first."""
    for number in range(3):
        command = [*texts.command, f"run_dir={tmp_path}/{number}"]
        both = [crl.start(*command, cache=tmp_path / f"cache{number}") for _ in range(2)]
        ended = sorted((process.wait() for process in both), key=lambda one: one.code)
        assert ended[0].code == 0, ended[0].text
        assert ended[1].code == 0 or "is in use by another crl process" in ended[1].last
        assert same(tmp_path / str(number), texts)
        made = [
            sorted(path.name for path in (cache / "prepared").iterdir())
            for cache in (tmp_path / f"cache{number}", texts.cache)
        ]
        assert made[0] == made[1]  # each once, and nothing half made


def test_what_a_killed_process_left_is_not_believed(
    crl: ForkServer, texts: Undisturbed, tmp_path: Path
) -> None:
    from filelock import FileLock

    (tmp_path / "run").mkdir()
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    (tmp_path / "run" / ".holder.json").write_text(
        f'{{"pid": {gone}, "host": "{socket.gethostname()}", "since": "then"}}'
    )
    with FileLock(tmp_path / "run" / ".lock"):
        ended = crl.run(*texts.command, f"run_dir={tmp_path}/run", cache=texts.cache)
    assert ended.code == 2 and "is in use by another crl process; wait" in ended.last
