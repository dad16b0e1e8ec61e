"""Measurements during training: a line of metrics.jsonl every so many steps."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from crl.data.dataset import Split
from crl.data.seeding import generator
from crl.experiments.config.schema import Config
from crl.experiments.errors import RunError
from crl.experiments.evaluation.encode import encode
from crl.experiments.evaluation.warnings import REMEDY
from crl.experiments.runtime.memory import evaluation, naming_memory
from crl.experiments.training.loss_curves import LossCurves
from crl.experiments.training.progress import Progress
from crl.experiments.training.step import TrainingStep

_DEV_BATCHES = 16  # batches of tuples over dev features, which are encoded once


@dataclass(frozen=True)
class Observer:
    """What looks at the encoder: ``dev`` gives the dev loss, ``curves`` the losses of Figure 2c."""

    config: Config
    train_step: TrainingStep
    dev: Split
    curves: LossCurves

    def due(self, step: int) -> bool:
        """Return whether this step has a line."""
        options = self.config.training
        every = (options.dev_every, options.curve_every)
        return step % options.log_every == 0 or any(self._is_due(n, step) for n in every)

    def line(self, progress: Progress) -> dict[str, float]:
        """Measure the line; keep an encoder with the lowest dev loss so far in ``progress``.

        Raises RunError for a loss that is not finite.
        """
        step, options = progress.step, self.config.training
        line: dict[str, float] = {
            "step": step,
            "train_loss": progress.loss / (step - progress.logged),
        }
        _check_finite("the training loss", line["train_loss"], step)
        if self._is_due(options.dev_every, step):
            line["dev_loss"] = self._dev_loss()
            _check_finite("the dev loss", line["dev_loss"], step)
            if line["dev_loss"] < progress.best_loss:
                progress.best_step, progress.best_loss = step, line["dev_loss"]
                progress.best = self._encoder_state()
        if self._is_due(options.curve_every, step):
            losses = self.curves.measure(self.train_step.encoder, self.train_step.fabric)
            for name, value in losses.items():
                _check_finite(name, value, step)
            line |= {"epoch": progress.points / len(self.train_step.train), **losses}
        return line | {
            "lr": self.train_step.rate,
            "points_per_second": round(progress.points / progress.seconds, 1),
            "seconds": round(progress.seconds, 3),
        }

    def _is_due(self, every: int | None, step: int) -> bool:
        return every is not None and (step % every == 0 or step == self.config.training.steps)

    def _encoder_state(self) -> dict[str, Tensor]:
        state = self.train_step.encoder.state_dict()
        return {name: value.clone() for name, value in state.items()}

    @torch.no_grad()
    def _dev_loss(self) -> float:
        """Return the objective's dev loss, on the same tuples of dev points every time."""
        config, step, device = self.config, self.train_step, self.train_step.fabric.device
        size = config.evaluation.batch_size
        with naming_memory(*evaluation(config)):
            features = encode(step.encoder, self.dev.points, size, step.fabric)
        draws = generator(config.seed, "dev", 0, device)
        sampler = step.objective.sampler(self.dev.offsets, self.dev.rho)
        batches = sampler.draw_many(_DEV_BATCHES, config.training.batch_size, draws)
        losses = [step.objective.dev_loss(features[batch.points], batch) for batch in batches]
        return float(torch.stack(losses).mean())


def _check_finite(what: str, value: float, step: int) -> None:
    if not math.isfinite(value):
        raise RunError(f"{what} is {value} at step {step}; {REMEDY}")
