"""The folder of one run: its files, its lock, and how ``force=true`` replaces it.

A file is either absent or complete, whenever the process is killed. A complete run is never lost:
while ``force=true`` replaces it, it stays in ``replaced/``, which is a run folder too.
"""

import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import Timeout

from crl.data.files.atomic import (
    DamagedFile,
    atomic_write,
    load_tensors,
    remove_leftovers,
    save_tensors,
    sha256_of,
    sync_folder,
    write_checked_json,
    write_json,
)
from crl.experiments.config.choices import ChoiceError
from crl.experiments.config.compose import load_config, to_yaml
from crl.experiments.config.identity import first_difference, is_same_run
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError, RunError, one_line
from crl.experiments.storage.lock import run_lock
from crl.experiments.storage.results import EVALUATIONS, REPLACED, evaluation_in, read_result


class RunFolder:
    """The files of one run, and the methods that write them.

    ``result.json`` is written last: the run is complete if it is there. ``failed.json`` is there if
    the last attempt ended with an error.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.checkpoint = path / "checkpoint.pt"
        self.result = path / "result.json"
        self.failed = path / "failed.json"
        self.evaluations = path / EVALUATIONS
        self.replaced = path / REPLACED
        self._lock_holder = path / ".holder.json"

    def read_result(self, evaluation: str | None = None) -> dict[str, Any] | None:
        """Return the result, or None if the run is not complete. Raises ConfigError if damaged.

        ``evaluation``: see :func:`crl.experiments.storage.results.read_result`.
        """
        return read_result(self.path, evaluation)

    def check_same_run(self, config: Config) -> None:
        """Raise ConfigError if the folder belongs to another configuration or seed."""
        try:
            stored = load_config(self.config)
        except ChoiceError:  # of an installed package; the file is whole
            raise
        except ConfigError as error:
            reason = str(error).removeprefix(f"{self.config}: ")
            raise ConfigError(
                f"{self.config} is damaged ({reason}); delete it and start the run again"
            ) from error
        if not is_same_run(stored, config):
            raise ConfigError(
                f"run_dir: {self.path} holds a run of another configuration (its config.yaml: "
                f"{first_difference(stored, config)}); choose another run_dir, or force=true to "
                "replace it"
            )

    @contextmanager
    def open(self, config: Config) -> Iterator[None]:
        """Create the folder and lock it while the context lasts; record why a run in it fails.

        ``force=true`` removes an earlier run first (see :meth:`_start_over`), except an interrupted
        run of the same command, which continues. Raises ConfigError if the folder cannot be
        written, is in use, or belongs to another run.
        """
        with ExitStack() as stack:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(run_lock(self.path).acquire(timeout=0.2))  # see is_locked()
                stack.callback(self._remove_lock_holder)
                self._prepare(config)
            except Timeout as error:
                raise ConfigError(
                    f"{self.path} is in use by {self._user()}; wait for it, or choose a run_dir"
                ) from error
            except NotImplementedError as error:
                raise ConfigError(
                    f"{self.path}: this file system has no locks; choose a run_dir on another one"
                ) from error
            except OSError as error:
                raise ConfigError(
                    f"{self.path} cannot be written ({error.strerror}); choose a writable run_dir"
                ) from error
            with self._recording_failure():
                yield

    def _prepare(self, config: Config) -> None:
        """Write who holds the lock, start over if ``force`` asks for it, write the configuration.

        Only the process that holds the lock may call this.
        """
        remove_leftovers(self.path)
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        write_json(
            self._lock_holder, {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        )
        if config.force and not self._was_interrupted(config):
            self._start_over()
        if self.config.exists():
            self.check_same_run(config)  # again: another process may have just created it
        if not self.result.exists():
            shutil.rmtree(self.evaluations, ignore_errors=True)  # they belong to that result
            # Options that do not change the result may differ from the interrupted run's.
            with atomic_write(self.config) as stream:
                stream.write(to_yaml(config).encode())

    def remove_leftovers(self) -> None:
        """Delete what killed processes left half written, unless one is at work in the folder."""
        if any(self.path.glob(".*.tmp")):
            with suppress(OSError, NotImplementedError), run_lock(self.path).acquire(timeout=0):
                remove_leftovers(self.path)

    def _remove_lock_holder(self) -> None:
        with suppress(OSError):
            self._lock_holder.unlink(missing_ok=True)

    def _user(self) -> str:
        """Return who holds the lock; ``.holder.json`` of a killed process does not count."""
        try:
            holder = json.loads(self._lock_holder.read_bytes())
            pid, host, since = (holder[key] for key in ("pid", "host", "since"))
            if host == socket.gethostname():
                os.kill(pid, 0)  # raises ProcessLookupError if there is no such process
            return f"another crl process (pid {pid} on {host}, since {since})"
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return "another crl process"

    def _was_interrupted(self, config: Config) -> bool:
        """Return whether the folder holds an incomplete run of this command with ``force``."""
        try:
            stored = load_config(self.config)
        except ConfigError:  # no configuration, or a damaged one
            return False
        return stored.force and not self.result.exists() and is_same_run(stored, config)

    def _start_over(self) -> None:
        """Remove the earlier run; if it is complete, move it to ``replaced/``.

        The order matters: if the process is killed at any point, either ``replaced/`` is complete
        or the original files are all still there. :meth:`write_result` deletes ``replaced/``.
        """
        files = (self.config, self.result, self.checkpoint, self.metrics, self.environment)
        if self.result.exists() and self.config.exists():
            copy = self.path / f".{REPLACED}.{os.getpid()}.tmp"
            copy.mkdir()
            for path in filter(Path.exists, files):
                _link(path, copy / path.name)
            if self.evaluations.exists():
                shutil.copytree(self.evaluations, copy / self.evaluations.name, copy_function=_link)
            shutil.rmtree(self.replaced, ignore_errors=True)
            copy.rename(self.replaced)
            sync_folder(self.path)
        for path in files:
            path.unlink(missing_ok=True)
        shutil.rmtree(self.evaluations, ignore_errors=True)

    @contextmanager
    def _recording_failure(self) -> Iterator[None]:
        """Write ``failed.json`` (reason and time) if the context ends with an error.

        An interruption is no error. The next start of the run removes the file. Only the process
        that holds the lock may use this.
        """
        self.failed.unlink(missing_ok=True)
        try:
            yield
        except Exception as error:
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            with suppress(OSError):  # on a full disk, the original error is the one to raise
                write_json(self.failed, {"reason": one_line(error), "time": now})
            raise

    def load_checkpoint(self, device: Any = "cpu") -> dict[str, Any] | None:
        """Return the checkpoint with its tensors on a device of torch's, or None without one.

        Raises ConfigError if it is damaged.
        """
        try:
            return load_tensors(self.checkpoint, device)
        except FileNotFoundError:
            return None
        except DamagedFile as error:
            raise ConfigError(
                f"{error}; delete it to start over, or force=true where the run is finished"
            ) from error

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint; ``state`` holds tensors and plain types only."""
        with _writing(self.checkpoint):
            save_tensors(self.checkpoint, state)

    def write_environment(self, environment: dict[str, Any]) -> None:
        """Write ``environment.json``."""
        with _writing(self.environment):
            write_json(self.environment, environment)

    def append_metrics(self, line: dict[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``."""
        with _writing(self.metrics), self.metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def write_metrics(self, lines: Sequence[dict[str, Any]]) -> None:
        """Replace ``metrics.jsonl``."""
        with _writing(self.metrics), atomic_write(self.metrics) as stream:
            stream.write("".join(json.dumps(line) + "\n" for line in lines).encode())

    def write_result(self, result: dict[str, Any]) -> None:
        """Write ``result.json``, which completes the run, and delete the run that it replaces."""
        with _writing(self.result):
            write_checked_json(self.result, result | {"files": self._checksums()})
            shutil.rmtree(self.replaced, ignore_errors=True)

    def change_evaluation(self, result: dict[str, Any]) -> None:
        """Put another evaluation of the run in ``result.json``; keep the one there as it is.

        The one there goes to ``evaluations/`` first, so that none is lost if the process is killed.
        """
        before = self.read_result()
        with _writing(self.result):
            if before is not None:
                self.write_evaluation(evaluation_in(self.path, before), before)
            write_checked_json(self.result, result | {"files": self._checksums()})

    def write_evaluation(self, name: str, result: dict[str, Any]) -> Path:
        """Write a result to ``evaluations/<name>.json`` and return that path. Raises OSError."""
        path = self.evaluations / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        write_checked_json(path, result | {"files": self._checksums()})
        return path

    def _checksums(self) -> dict[str, str]:
        return {path.name: sha256_of(path) for path in (self.config, self.metrics)}


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn an OSError into a RunError: the user can free the disk or change its permissions."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise RunError(
            f"{error.filename or path} cannot be written ({reason}); "
            "once it is writable, the same command goes on"
        ) from error


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # the file system has no hard links
        shutil.copy2(source, target)
