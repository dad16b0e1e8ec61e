"""The folder that a run leaves: written so that whatever is there is whole, and nothing complete is
lost."""

import json
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout
from omegaconf import DictConfig, OmegaConf

from data.files.atomic import (
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
from experiments.config.compose import load_config
from experiments.config.identity import config_hash, identity, run_path
from experiments.errors import ConfigError, RunError, one_line
from experiments.storage.lock import run_lock
from experiments.storage.results import REPLACED, read_result


class RunFolder:
    """``config.yaml``, ``environment.json``, ``metrics.jsonl``, ``checkpoint.pt`` and, last,
    ``result.json``.

    While ``force=true`` replaces a complete run, that one stays whole in ``replaced/``, a run
    folder of its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.checkpoint = path / "checkpoint.pt"
        self.result = path / "result.json"
        self.failed = path / "failed.json"
        self.evaluations = path / "evaluations"
        self.replaced = path / REPLACED
        self._holder = path / ".holder.json"

    @classmethod
    def of(cls, config: DictConfig) -> "RunFolder":
        """The folder of the run that the configuration describes."""
        return cls(run_path(config))

    def read_result(self) -> dict[str, Any] | None:
        """The stored result, or None for a run that is not complete. Raises ConfigError for a
        damaged one."""
        return read_result(self.path)

    def check_same_run(self, config: DictConfig) -> None:
        """Raise ConfigError if the folder was made by another configuration or seed than this
        one."""
        try:
            stored = load_config(self.config)
        except ConfigError as error:
            why = str(error).removeprefix(f"{self.config}: ")
            raise ConfigError(
                f"{self.config} is damaged ({why}); delete it and start the run again"
            ) from error
        if not _same(stored, config):
            different = first_difference(stored, config)
            raise ConfigError(
                f"run_dir: {self.path} holds a run of another configuration (its config.yaml: {different}); "
                "choose another run_dir, or force=true to replace it"
            )

    @contextmanager
    def open(self, config: DictConfig) -> Iterator[None]:
        """Make the folder, and keep other processes out of it as long as the context lasts.

        With ``force`` what an earlier run left goes first (see :meth:`_start_over`), unless the
        same command began it and was broken off: then it goes on. Raises ConfigError where it
        cannot be written, is in use, or holds another run.
        """
        with self._locked():
            try:
                remove_leftovers(self.path)
                write_json(
                    self._holder,
                    {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()},
                )
                if config.force and not self._goes_on(config):
                    self._start_over()
                if self.config.exists():
                    self.check_same_run(
                        config
                    )  # once more: another process may have made it meanwhile
                if (
                    not self.result.exists()
                ):  # options that do not change the result are those of who goes on
                    with atomic_write(self.config) as stream:
                        stream.write(OmegaConf.to_yaml(config).encode())
            except OSError as error:
                raise self._unwritable(error) from error
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = run_lock(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0.2)  # `crl status` holds it for an instant, see is_locked()
        except Timeout as error:
            raise ConfigError(
                f"{self.path} is in use by {self._user()}; wait for it, or choose a run_dir"
            ) from error
        except NotImplementedError as error:
            raise ConfigError(
                f"{self.path}: its file system knows no locks; choose a run_dir on another"
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            with suppress(OSError):
                self._holder.unlink(missing_ok=True)
            lock.release()

    def _unwritable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"{self.path} cannot be written ({error.strerror}); choose a writable run_dir"
        )

    def _user(self) -> str:
        """Who holds the lock, as far as it has said so; what a process left that was killed is not
        believed."""
        try:
            about = json.loads(self._holder.read_bytes())
            if about["host"] == socket.gethostname():
                os.kill(about["pid"], 0)  # raises ProcessLookupError if there is none
            return f"another crl process (pid {about['pid']} on {about['host']}, since {about['since']})"
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return "another crl process"

    def _goes_on(self, config: DictConfig) -> bool:
        """Whether an unfinished run is there that the same command, ``force`` included, began."""
        if self.result.exists() or not self.config.exists():
            return False
        try:
            stored = load_config(self.config)
        except ConfigError:
            return False
        return bool(stored.force) and _same(stored, config)

    def _start_over(self) -> None:
        """Remove what an earlier run left. A complete one is first put aside, to be deleted by
        :meth:`write_result`.

        In this order: wherever it is broken off, ``replaced/`` is whole, or all that it is made of
        is still in place.
        """
        files = (self.config, self.result, self.checkpoint, self.metrics, self.environment)
        if self.result.exists() and self.config.exists():
            aside = self.path / f".{REPLACED}.{os.getpid()}.tmp"
            aside.mkdir()
            for path in filter(Path.exists, files):
                _link(path, aside / path.name)
            if self.evaluations.exists():
                shutil.copytree(
                    self.evaluations, aside / self.evaluations.name, copy_function=_link
                )
            shutil.rmtree(self.replaced, ignore_errors=True)
            aside.rename(self.replaced)
            sync_folder(self.path)
        for path in files:
            path.unlink(missing_ok=True)
        shutil.rmtree(self.evaluations, ignore_errors=True)

    @contextmanager
    def recording_failure(self) -> Iterator[None]:
        """An error within leaves ``failed.json``, why in one line and when; the run's next start
        removes it.

        An interruption is no failure. Only the process that holds the lock may enter.
        """
        self.failed.unlink(missing_ok=True)
        try:
            yield
        except Exception as error:
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            with suppress(OSError):  # on a full disk what matters is the error itself
                write_json(self.failed, {"reason": one_line(error), "time": now})
            raise

    def load_checkpoint(self, device: torch.device | str = "cpu") -> dict[str, Any] | None:
        """The stored checkpoint, or None if there is none. Raises ConfigError for a damaged one."""
        try:
            return load_tensors(self.checkpoint, device)
        except FileNotFoundError:
            return None
        except DamagedFile as error:
            raise ConfigError(
                f"{error}; delete it to start over, or force=true where the run is finished"
            ) from error

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint: tensors and plain types only. Raises RunError where it cannot be
        written."""
        with _written(self.checkpoint):
            save_tensors(self.checkpoint, state)

    def write_environment(self, about: dict[str, Any]) -> None:
        """Raises RunError where it cannot be written."""
        with _written(self.environment):
            write_json(self.environment, about)

    def append_metrics(self, line: dict[str, Any]) -> None:
        """One more line of metrics.jsonl. Raises RunError where it cannot be written."""
        with _written(self.metrics), self.metrics.open("a") as stream:
            stream.write(json.dumps(line) + "\n")

    def write_metrics(self, lines: Sequence[dict[str, Any]]) -> None:
        """All of metrics.jsonl. Raises RunError where it cannot be written."""
        with _written(self.metrics), atomic_write(self.metrics) as stream:
            stream.write("".join(json.dumps(line) + "\n" for line in lines).encode())

    def write_result(self, result: dict[str, Any]) -> None:
        """Complete the run, and delete the one that it replaces. Raises RunError where it cannot be
        written."""
        with _written(self.result):
            files = {path.name: sha256_of(path) for path in (self.config, self.metrics)}
            write_checked_json(self.result, result | {"files": files})
            shutil.rmtree(self.replaced, ignore_errors=True)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """A disk that is full, gone or not ours to write to is something that the user can change:
    RunError."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise RunError(
            f"{error.filename or path} cannot be written ({why}); once it can, the same command goes on"
        ) from error


def _now() -> str:
    return datetime.now().astimezone().isoformat(" ", "seconds")


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)


def _same(stored: DictConfig, config: DictConfig) -> bool:
    return config_hash(stored) == config_hash(config) and stored.seed == config.seed


def first_difference(stored: DictConfig, config: DictConfig) -> str:
    """The first option that differs of those that can change the result, as ``name is stored there,
    wanted here``; empty if none does."""
    old, new = ({"seed": found.seed, **identity(found)} for found in (stored, config))
    return next(_differences(old, new), "")


def _differences(stored: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, new in wanted.items():
        old = stored.get(name)
        if isinstance(new, dict) and isinstance(old, dict):
            yield from _differences(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name} is {old} there, {new} here"
