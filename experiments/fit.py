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

from data.augment import AUGMENTATIONS
from data.sampler import TupleBatch, TupleSampler, generator
from data.split import Documents, Points, Split
from experiments.errors import ConfigError, RunError
from experiments.objectives import OBJECTIVES, Objective, points_of
from experiments.optimizers import build_optimizer, learning_rate
from experiments.run_folder import RunFolder

_DEV_BATCHES = 16  # batches of tuples over the dev features, encoded once: more cost little and steady the estimate


@dataclass
class Progress:
    """Where training stands: what a checkpoint holds beside the model and the optimiser.

    ``best`` is the encoder's state at the step with the lowest dev loss so far; ``points`` counts encoded points.
    """

    step: int = 0
    seconds: float = 0.0
    points: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    best: dict[str, Tensor] = field(default_factory=dict)


class Trained(nn.Module):
    """Encoder and objective as one module, so that one forward is one training step."""

    def __init__(self, encoder: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective

    def forward(self, points: Tensor, batch: TupleBatch) -> Tensor:
        features = self.encoder(points)
        with torch.autocast(features.device.type, enabled=False):  # scores of thousands of pairs want all their digits
            return self.objective(features.float(), batch)


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
    the outcome is the same. ``keep`` is stored in every checkpoint; one that kept something else is refused. What
    ``watch()`` says of the encoder is logged every ``curve_every`` steps. Raises RunError when the loss is no longer finite.
    """
    options, device = config.training, fabric.device
    objective = OBJECTIVES[config.objective.name](config.objective, config.encoder.dimension, len(train.sizes))
    trained = Trained(encoder, objective)
    model, optimizer = fabric.setup(trained, build_optimizer(config.optimizer, trained.parameters()))
    progress = _resume(folder, trained, optimizer, device, keep)
    train, dev = train.to(device), dev.to(device)
    sampler, dev_sampler = objective.sampler(train.offsets), objective.sampler(dev.offsets)
    augment = AUGMENTATIONS[config.dataset.get("augment", "none")]
    started = time.monotonic() - progress.seconds
    saved = time.monotonic()
    total = torch.zeros((), device=device)

    with tqdm(
        total=options.steps, initial=progress.step, desc="training", disable=None if config.runtime.progress else True
    ) as bar:
        for step in range(progress.step, options.steps):
            batch = sampler.draw(options.batch_size, generator(config.seed, "tuples", step, device))
            index = points_of(batch)
            points = augment(train.points.gather(index), generator(config.seed, "augment", step, device))
            torch.manual_seed(generator(config.seed, "dropout", step).initial_seed())
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(config.optimizer, step, options.steps)
            optimizer.zero_grad()
            loss = model(points, batch)
            fabric.backward(loss)
            if options.clip_norm is not None:
                fabric.clip_gradients(model, optimizer, max_norm=options.clip_norm, error_if_nonfinite=False)
            optimizer.step()
            total += loss.detach()
            progress.points += len(index)
            bar.update()

            done, last = step + 1, step + 1 == options.steps
            look = done % options.dev_every == 0 or last
            curve = options.curve_every is not None and (done % options.curve_every == 0 or last)
            if not look and not curve and done % options.log_every:
                continue
            # Only here is the device waited for.
            line = {"step": done, "train_loss": total.item() / (done - progress.step)}
            if not math.isfinite(line["train_loss"]):
                raise RunError(f"the training loss is {line['train_loss']} by step {done}; {_CALMER}")
            total.zero_()
            progress.step, progress.seconds = done, time.monotonic() - started
            if look:
                line["dev_loss"] = _dev_loss(config, trained, dev, dev_sampler, fabric)
                if not math.isfinite(line["dev_loss"]):
                    raise RunError(f"the dev loss is {line['dev_loss']} at step {done}; {_CALMER}")
                if line["dev_loss"] < progress.best_loss:
                    progress.best_step, progress.best_loss = done, line["dev_loss"]
                    progress.best = {name: value.clone() for name, value in encoder.state_dict().items()}
            if curve:
                line |= {"epoch": progress.points / len(train), **watch()}
            speed = progress.points / progress.seconds
            folder.append_metrics({**line, "lr": optimizer.param_groups[0]["lr"], "points_per_second": round(speed, 1)})
            bar.set_postfix(loss=f"{line['train_loss']:.3f}", points=f"{speed:.0f}/s")
            if last or time.monotonic() - saved >= options.checkpoint_seconds:
                state = {"model": trained.state_dict(), "optimizer": optimizer.state_dict(), "progress": vars(progress)}
                folder.save_checkpoint(state | keep)
                saved = time.monotonic()

    encoder.load_state_dict(progress.best)
    encoder.eval()
    return progress


_CALMER = "lower optimizer.lr, or set training.clip_norm=1"


def _resume(
    folder: RunFolder, trained: Trained, optimizer: torch.optim.Optimizer, device: torch.device, keep: dict[str, Any]
) -> Progress:
    """Put model and optimiser where the folder's checkpoint left them, if there is one."""
    stored = folder.load_checkpoint(device)
    progress = Progress()
    if stored is not None:
        for name, value in keep.items():
            if stored.get(name) != value:
                raise ConfigError(
                    f"{folder.checkpoint} belongs to another run or other data ({name} differs); force=true starts over"
                )
        try:
            progress = Progress(**stored["progress"])
            trained.load_state_dict(stored["model"])
            optimizer.load_state_dict(stored["optimizer"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"{folder.checkpoint} does not fit this configuration; delete it, or force=true to start over"
            ) from error
    folder.cut_metrics(progress.step)
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
def _dev_loss(config: DictConfig, trained: Trained, dev: Split, sampler: TupleSampler, fabric: Fabric) -> float:
    """The objective's dev loss on the same tuples of dev points every time, the points encoded once."""
    features = encode(trained.encoder, dev.points, config.evaluation.batch_size, fabric)
    losses = []
    for number in range(_DEV_BATCHES):
        batch = sampler.draw(config.training.batch_size, generator(config.seed, "dev", number, fabric.device))
        losses.append(trained.objective.dev_loss(features[points_of(batch)], batch))
    return float(torch.stack(losses).mean())
