"""The progress of training: the content of a checkpoint, and resuming from it."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from crl.experiments.config.identity import config_hash
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError
from crl.experiments.runtime.ranks import gathered, rank_zero_first
from crl.experiments.storage.run_folder import RunFolder
from crl.experiments.training.build import Prepared
from crl.experiments.training.step import TrainingStep


@dataclass
class Progress:
    """The content of a checkpoint beside the model and the optimiser.

    ``points``: encoded points so far. ``log``: the lines of metrics.jsonl; ``logged``: the step of
    the last one; ``loss``: the sum of the training losses since. ``best``: the encoder's state at
    ``best_step``, the step with the lowest dev loss so far.
    """

    step: int = 0
    seconds: float = 0.0
    points: int = 0
    logged: int = 0
    loss: float = 0.0
    log: list[dict[str, float]] = field(default_factory=list)
    best_step: int = 0
    best_loss: float = math.inf
    best: dict[str, Tensor] = field(default_factory=dict)

    def chosen_by(self) -> dict[str, float]:
        """``dev.loss`` and ``dev.step`` of the best encoder; empty if nothing was trained."""
        return {"dev.loss": self.best_loss, "dev.step": self.best_step} if self.step else {}


def run_identity(config: Config, prepared: Prepared) -> dict[str, Any]:
    """Return the values that a checkpoint and the run that resumes from it must share."""
    return {
        "config_hash": config_hash(config),
        "seed": config.seed,
        "data_fingerprint": prepared.fingerprint,
        "vocabulary": prepared.dataset.vocabulary,
        "encoder_files": prepared.encoder_files,
    }


def resume(
    folder: RunFolder, train_step: TrainingStep, identity: dict[str, Any], fabric: Fabric
) -> Progress:
    """Restore model and optimiser from the folder's checkpoint, if there is one.

    With several ranks all call this together. Raises ConfigError for a checkpoint of another run.
    """

    def load() -> Progress:
        progress = _load(folder, train_step, identity, fabric.device)
        if fabric.is_global_zero:
            folder.write_metrics(progress.log)
        return progress

    progress = rank_zero_first(fabric, load)
    if fabric.world_size > 1 and len(set(gathered(progress.step))) > 1:
        raise ConfigError(
            f"{folder.path}: not every node sees the same files there; choose a run_dir that all "
            "share"
        )
    return progress


def _load(
    folder: RunFolder, train_step: TrainingStep, identity: dict[str, Any], device: torch.device
) -> Progress:
    stored = folder.load_checkpoint(device)
    if stored is None:
        return Progress()
    # Checkpoints of earlier versions name no file.
    for name, value in identity.items() if "encoder_files" in stored else ():
        if stored.get(name) != value:
            raise ConfigError(
                f"{folder.checkpoint} belongs to another run or other data ({name} differs); "
                "delete it to start over"
            )
    try:
        progress = Progress(**stored["progress"])
        train_step.load_state(stored)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"{folder.checkpoint} does not fit this configuration; delete it to start over"
        ) from error
    return progress


def save_untrained(config: Config, prepared: Prepared, folder: RunFolder) -> Progress:
    """Save an encoder that is not trained as a checkpoint, so that it can be loaded later."""
    progress = Progress(best=prepared.encoder.eval().state_dict())
    folder.save_checkpoint({"progress": vars(progress)} | run_identity(config, prepared))
    folder.write_metrics([])
    return progress
