"""The training loop: one for every modality and objective."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig
from torch import Tensor, nn
from tqdm import tqdm

from data.sampler import TupleSampler, generator
from data.split import Documents, Points, Split
from experiments.errors import ConfigError, RunError
from experiments.interrupts import Postponed
from experiments.run_folder import RunFolder
from experiments.step import TrainingStep

_DEV_BATCHES = 16  # batches of tuples over the dev features, encoded once: more cost little and steady the estimate


@dataclass
class Progress:
    """Where training stands: what a checkpoint holds beside the model and the optimiser.

    ``best`` is the encoder's state at the step with the lowest dev loss so far; ``points`` counts encoded points; ``loss``
    is the sum of the training losses since step ``logged``, the last one in ``log``, which is metrics.jsonl.
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


def fit(
    config: DictConfig,
    fabric: Fabric,
    encoder: nn.Module,
    train: Split,
    dev: Split,
    folder: RunFolder,
    keep: dict[str, Any],
    watch: Callable[[], dict[str, float]],
) -> Progress:
    """Train on ``train``, watch the loss on ``dev``, leave the encoder in its best state.

    Goes on from the folder's checkpoint if it has one; every random draw depends on (seed, stream, step) alone, so
    the outcome is the same. A signal to end is obeyed after the step, with a checkpoint. ``keep`` is stored in every
    checkpoint; one that kept something else is refused. What ``watch()`` says of the encoder is logged every
    ``curve_every`` steps. Raises RunError when the loss is no longer finite or the folder cannot be written, Interrupted.
    """
    options, device = config.training, fabric.device
    dev = dev.to(device)
    train_step = TrainingStep(config, fabric, encoder, train)
    dev_sampler = train_step.objective.sampler(dev.offsets)
    progress = _resume(folder, train_step, device, keep)
    started = time.monotonic() - progress.seconds
    saved = time.monotonic()
    total = torch.tensor(progress.loss, device=device)
    bar = tqdm(
        total=options.steps, initial=progress.step, desc="training", disable=None if config.runtime.progress else True
    )

    with bar, Postponed() as signals:
        for step in range(progress.step, options.steps):
            total += train_step(step)
            progress.step = done = step + 1
            progress.points += train_step.points_per_step
            bar.update()

            last = done == options.steps
            look = done % options.dev_every == 0 or last
            curve = options.curve_every is not None and (done % options.curve_every == 0 or last)
            log = look or curve or done % options.log_every == 0
            asked = bool(signals)  # to end; who asks from here on is heard after the next step
            if not log and not asked:
                continue
            # Only here is the device waited for.
            progress.loss, progress.seconds = total.item(), time.monotonic() - started
            if log:
                line = {"step": done, "train_loss": progress.loss / (done - progress.logged)}
                if not math.isfinite(line["train_loss"]):
                    raise RunError(f"the training loss is {line['train_loss']} by step {done}; {_CALMER}")
                total.zero_()
                progress.logged, progress.loss = done, 0.0
                if look:
                    line["dev_loss"] = _dev_loss(config, train_step, dev, dev_sampler, fabric)
                    if not math.isfinite(line["dev_loss"]):
                        raise RunError(f"the dev loss is {line['dev_loss']} at step {done}; {_CALMER}")
                    if line["dev_loss"] < progress.best_loss:
                        progress.best_step, progress.best_loss = done, line["dev_loss"]
                        progress.best = {name: value.clone() for name, value in encoder.state_dict().items()}
                if curve:
                    line |= {"epoch": progress.points / len(train), **watch()}
                speed = progress.points / progress.seconds
                progress.log.append({**line, "lr": train_step.rate, "points_per_second": round(speed, 1)})
                folder.append_metrics(progress.log[-1])
                bar.set_postfix(loss=f"{line['train_loss']:.3f}", points=f"{speed:.0f}/s")
            if last or asked or time.monotonic() - saved >= options.checkpoint_seconds:
                folder.save_checkpoint(train_step.state() | {"progress": vars(progress)} | keep)
                saved = time.monotonic()
            if asked:
                signals.obey()

    folder.write_metrics(progress.log)  # once more, synced: the result holds its checksum
    encoder.load_state_dict(progress.best)
    encoder.eval()
    return progress


_CALMER = "lower optimizer.lr, or set training.clip_norm=1"


def _resume(folder: RunFolder, train_step: TrainingStep, device: torch.device, keep: dict[str, Any]) -> Progress:
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
            raise ConfigError(f"{folder.checkpoint} does not fit this configuration; delete it to start over") from error
    folder.write_metrics(progress.log)
    return progress


@torch.no_grad()
def encode(encoder: nn.Module, points: Points, batch_size: int, fabric: Fabric) -> Tensor:
    """Features of all points, in evaluation mode: float32 [n, d] on the run's device; of a document, its sentences' mean."""
    if isinstance(points, Documents):
        return points.to(fabric.device).means(encode(encoder, points.sentences, batch_size, fabric))
    training = encoder.training
    encoder.eval()
    order = points.reading_order().to(fabric.device)
    points = points.to(fabric.device)
    features: Tensor | None = None
    with fabric.autocast():
        for index in order.split(batch_size):
            part = encoder(points.gather(index)).float()
            if features is None:
                features = part.new_empty(len(points), part.shape[1])
            features[index] = part
    encoder.train(training)
    assert features is not None  # a split is never empty
    return features


@torch.no_grad()
def _dev_loss(config: DictConfig, train_step: TrainingStep, dev: Split, sampler: TupleSampler, fabric: Fabric) -> float:
    """The objective's dev loss on the same tuples of dev points every time, the points encoded once."""
    features = encode(train_step.encoder, dev.points, config.evaluation.batch_size, fabric)
    draws = generator(config.seed, "dev", 0, fabric.device)
    batches = sampler.draw_many(_DEV_BATCHES, config.training.batch_size, draws)
    losses = [train_step.objective.dev_loss(features[batch.points], batch) for batch in batches]
    return float(torch.stack(losses).mean())
