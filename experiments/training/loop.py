"""The training loop: one for every modality and objective."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from tqdm import tqdm

from data.seeding import generator
from data.split import Split
from experiments.config.schema import TrainingConfig
from experiments.errors import ConfigError, RunError
from experiments.evaluation.encode import encode
from experiments.runtime.ranks import gathered, rank_zero_first
from experiments.runtime.signals import DeferredSignals
from experiments.storage.run_folder import RunFolder
from experiments.trackers import Trackers
from experiments.training.step import TrainingStep

# batches of tuples over the dev features, encoded once: more cost little and steady the estimate
_DEV_BATCHES = 16
CALMER = (
    "lower optimizer.lr, or set training.clip_norm=1"  # against a loss that is no longer finite
)


@dataclass
class Progress:
    """Where training stands: what a checkpoint holds beside the model and the optimiser.

    ``best`` is the encoder's state at the step with the lowest dev loss so far; ``points`` counts
    encoded points; ``loss`` is the sum of the training losses since step ``logged``, the last one
    in ``log``, which is metrics.jsonl.
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
        """``dev.loss`` and ``dev.step`` of the best encoder; nothing of one that was not
        trained."""
        return {"dev.loss": self.best_loss, "dev.step": self.best_step} if self.step else {}


def fit(
    config: DictConfig,
    fabric: Fabric,
    encoder: nn.Module,
    train: Split,
    dev: Split,
    folder: RunFolder,
    keep: dict[str, Any],
    watch: Callable[[], dict[str, float]],
    loggers: Trackers,
) -> Progress:
    """Train on ``train``, watch the loss on ``dev``, leave the encoder in its best state.

    Goes on from the folder's checkpoint if it has one; every random draw depends on (seed, stream,
    step) alone, so the outcome is the same. A signal to end is obeyed after the step, with a
    checkpoint. ``keep`` is stored in every checkpoint; one that kept something else is refused.
    What ``watch()`` says of the encoder is logged every ``curve_every`` steps; ``loggers`` get each
    line of metrics.jsonl. Raises RunError when a loss is no longer finite or the folder cannot be
    written, Interrupted.

    With several ranks all call this together; on all but rank 0 nothing but the training steps is
    done.
    """
    options: TrainingConfig = OmegaConf.to_object(config.training)  # type: ignore[assignment]
    device = fabric.device
    leads = fabric.is_global_zero
    train_step = TrainingStep(config, fabric, encoder, train)
    observer = _Observer(
        config, fabric, encoder, train_step, dev.to(device), watch, len(train), options
    )
    progress = rank_zero_first(fabric, lambda: _resume(folder, train_step, device, keep, leads))
    if fabric.world_size > 1 and len(set(gathered(progress.step))) > 1:
        raise ConfigError(
            f"{folder.path}: not every node sees the same files there; choose a run_dir that all share"
        )
    if leads:
        loggers.start(progress.step)
    started = time.monotonic() - progress.seconds
    saved = time.monotonic()
    total = torch.tensor(progress.loss, device=device)
    silent = not (config.runtime.progress and leads)
    bar = tqdm(
        total=options.steps,
        initial=progress.step,
        desc="training",
        disable=True if silent else None,
    )

    with bar, DeferredSignals() as signals:
        for step in range(progress.step, options.steps):
            total += train_step(step)
            progress.step = step + 1
            progress.points += train_step.points_per_step
            bar.update()

            log = observer.due(progress.step)
            asked = bool(signals)  # to end; who asks from here on is heard after the next step
            if not leads or not (log or asked):
                continue
            # Only here is the device waited for.
            progress.loss, progress.seconds = total.item(), time.monotonic() - started
            if log:
                line = observer.line(progress)
                total.zero_()
                progress.logged, progress.loss = progress.step, 0.0
                progress.log.append(line)
                folder.append_metrics(line)
                loggers.log(line)
                bar.set_postfix(
                    loss=f"{line['train_loss']:.3f}", points=f"{line['points_per_second']:.0f}/s"
                )
            if (
                progress.step == options.steps
                or asked
                or time.monotonic() - saved >= options.checkpoint_seconds
            ):
                folder.save_checkpoint(train_step.state() | {"progress": vars(progress)} | keep)
                saved = time.monotonic()
            if asked:
                signals.deliver()

    if not leads:
        return progress
    folder.write_metrics(progress.log)  # once more, synced: the result holds its checksum
    encoder.load_state_dict(progress.best)
    encoder.eval()
    return progress


@dataclass(frozen=True)
class _Observer:
    """What is looked at while an encoder is trained; ``points``: of the split that it is trained
    on."""

    config: DictConfig
    fabric: Fabric
    encoder: nn.Module
    train_step: TrainingStep
    dev: Split
    watch: Callable[[], dict[str, float]]
    points: int
    options: TrainingConfig  # as plain values: it is asked every step

    def due(self, step: int) -> bool:
        """Whether a line of metrics.jsonl is due at this step."""
        often = step % self.options.log_every == 0
        return (
            often
            or self._every(self.options.dev_every, step)
            or self._every(self.options.curve_every, step)
        )

    def line(self, progress: Progress) -> dict[str, float]:
        """The line; an encoder whose dev loss is the lowest so far is kept in ``progress``. Raises
        RunError for a loss that is not finite."""
        step = progress.step
        line = {"step": step, "train_loss": progress.loss / (step - progress.logged)}
        _must_be_finite("the training loss", line["train_loss"], step)
        if self._every(self.options.dev_every, step):
            line["dev_loss"] = _dev_loss(self.config, self.train_step, self.dev, self.fabric)
            _must_be_finite("the dev loss", line["dev_loss"], step)
            if line["dev_loss"] < progress.best_loss:
                progress.best_step, progress.best_loss = step, line["dev_loss"]
                progress.best = {
                    name: value.clone() for name, value in self.encoder.state_dict().items()
                }
        if self._every(self.options.curve_every, step):
            seen = self.watch()
            for name, value in seen.items():
                _must_be_finite(name, value, step)
            line |= {"epoch": progress.points / self.points, **seen}
        speed = round(progress.points / progress.seconds, 1)
        return line | {
            "lr": self.train_step.rate,
            "points_per_second": speed,
            "seconds": round(progress.seconds, 3),
        }

    def _every(self, every: int | None, step: int) -> bool:
        return every is not None and (step % every == 0 or step == self.options.steps)


def save_untrained(encoder: nn.Module, folder: RunFolder, keep: dict[str, Any]) -> Progress:
    """The checkpoint of an encoder that is not trained, so that it can be taken up as trained ones
    are."""
    progress = Progress(best=encoder.state_dict())
    folder.save_checkpoint({"progress": vars(progress)} | keep)
    folder.write_metrics([])
    encoder.eval()
    return progress


def _must_be_finite(what: str, value: float, step: int) -> None:
    if not math.isfinite(value):
        raise RunError(f"{what} is {value} at step {step}; {CALMER}")


def _resume(
    folder: RunFolder,
    train_step: TrainingStep,
    device: torch.device,
    keep: dict[str, Any],
    writes: bool,
) -> Progress:
    """Put model and optimiser where the folder's checkpoint left them, if there is one."""
    stored = folder.load_checkpoint(device)
    progress = Progress()
    if stored is not None:
        for name, value in keep.items():
            if stored.get(name) != value:
                raise ConfigError(
                    f"{folder.checkpoint} belongs to another run or other data ({name} differs); delete it to start over"
                )
        try:
            progress = Progress(**stored["progress"])
            train_step.load_state(stored)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"{folder.checkpoint} does not fit this configuration; delete it to start over"
            ) from error
    if writes:
        folder.write_metrics(progress.log)
    return progress


@torch.no_grad()
def _dev_loss(config: DictConfig, train_step: TrainingStep, dev: Split, fabric: Fabric) -> float:
    """The objective's dev loss on the same tuples of dev points every time, the points encoded
    once."""
    features = encode(train_step.encoder, dev.points, config.evaluation.batch_size, fabric)
    draws = generator(config.seed, "dev", 0, fabric.device)
    sampler = train_step.objective.sampler(dev.offsets, dev.rho)
    batches = sampler.draw_many(_DEV_BATCHES, config.training.batch_size, draws)
    losses = [train_step.objective.dev_loss(features[batch.points], batch) for batch in batches]
    return float(torch.stack(losses).mean())
