"""The folder that a run leaves: written so that whatever is there is whole."""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from data.files import written_whole
from experiments.config import config_hash, load_config, run_path
from experiments.errors import ConfigError
from experiments.stored import check_result, read_plain_json


class RunFolder:
    """``config.yaml``, ``environment.json``, ``metrics.jsonl``, ``checkpoint.pt`` and, last, ``result.json``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.checkpoint = path / "checkpoint.pt"
        self.result = path / "result.json"

    @classmethod
    def of(cls, config: DictConfig) -> "RunFolder":
        """The folder of the run that the configuration describes."""
        return cls(run_path(config))

    def read_result(self) -> dict[str, Any] | None:
        """The stored result, or None for a run that is not complete."""
        try:
            result = read_plain_json(self.result)
            check_result(result)
            return result
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.result} cannot be read ({error}); delete it and start the run again") from error

    def check_same_run(self, config: DictConfig) -> None:
        """Raise ConfigError if the folder was made by another configuration or seed than this one."""
        stored = load_config(self.config)
        if config_hash(stored) != config_hash(config) or stored.seed != config.seed:
            different = first_difference(stored, config)
            raise ConfigError(
                f"run_dir: {self.path} holds a run of another configuration ({different}); "
                "choose another run_dir, or force=true to replace it"
            )

    def open(self, config: DictConfig) -> FileLock:
        """Make the folder and lock it: the held lock. With ``force`` what an earlier run left is removed first.

        Raises ConfigError where it cannot be written, is in use, or holds another run.
        """
        lock = FileLock(self.path / ".lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
            if config.force:
                for path in (self.result, self.checkpoint, self.metrics, self.config):
                    path.unlink(missing_ok=True)
            if self.config.exists():
                self.check_same_run(config)  # once more: another process may have made it meanwhile
            else:
                with written_whole(self.config) as stream:
                    stream.write(OmegaConf.to_yaml(config).encode())
        except Timeout as error:
            raise ConfigError(f"{self.path} is in use by another crl process; wait for it, or choose a run_dir") from error
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written ({error.strerror}); choose a writable run_dir") from error
        return lock

    def load_checkpoint(self, device: torch.device | str = "cpu") -> dict[str, Any] | None:
        """The stored checkpoint, or None if there is none. Raises ConfigError for a damaged one."""
        if not self.checkpoint.exists():
            return None
        if not self.checkpoint.is_file():  # a pipe would block
            raise ConfigError(f"{self.checkpoint} is not a file; delete it, or force=true to start over")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's guesses about a damaged file: the line below says it
                return torch.load(self.checkpoint, map_location=device, weights_only=True)
        except Exception as error:  # torch raises many kinds for a damaged file
            kind = type(error).__name__
            raise ConfigError(f"{self.checkpoint} is damaged ({kind}); delete it, or force=true to start over") from error

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint: tensors and plain types only."""
        with written_whole(self.checkpoint) as stream:
            torch.save(state, stream)

    def append_metrics(self, line: dict[str, Any]) -> None:
        """One more line of metrics.jsonl."""
        with self.metrics.open("a") as stream:
            stream.write(json.dumps(line) + "\n")

    def cut_metrics(self, step: int) -> None:
        """Drop the lines of metrics.jsonl past that step, and a last line that was broken off."""
        kept = []
        for line in self.metrics.read_text().splitlines() if self.metrics.exists() else []:
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
            except (ValueError, KeyError, TypeError):
                continue
        with written_whole(self.metrics) as stream:
            stream.write("".join(kept).encode())


def first_difference(stored: DictConfig, config: DictConfig, prefix: str = "") -> str:
    """The first option that differs, as ``name is stored there, wanted here``; empty if none does."""
    for key in map(str, config):
        old, new = stored.get(key), config[key]
        if isinstance(new, DictConfig) and isinstance(old, DictConfig):
            if found := first_difference(old, new, f"{prefix}{key}."):
                return found
        elif old != new and key not in ("run_dir", "output_dir", "force"):
            return f"{prefix}{key} is {old} there, {new} here"
    return ""
