"""One step of training, the same for every modality and objective: from a batch of tuples to the next weights."""

from typing import Any

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig
from torch import Tensor, nn

from data.augment import AUGMENTATIONS
from data.sampler import TupleBatch, TupleStream, generator
from data.split import Split
from experiments.objectives import OBJECTIVES, Objective
from experiments.optimizers import build_optimizer, learning_rate


class Trained(nn.Module):
    """Encoder and objective as one module, so that one forward is one training step."""

    def __init__(self, encoder: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective

    def forward(self, points: Tensor, batch: TupleBatch) -> Tensor:
        features = self.encoder(points)
        with torch.autocast(features.device.type, enabled=False):  # scores of thousands of pairs want all their digits
            return self.objective(features.float().unflatten(0, batch.points.shape), batch)


class TrainingStep:
    """Call it with 0, 1, ... for one step each. Every random draw depends on (seed, stream, step) alone."""

    def __init__(self, config: DictConfig, fabric: Fabric, encoder: nn.Module, train: Split) -> None:
        self.config = config
        self.fabric = fabric
        self.encoder = encoder
        self.train = train.to(fabric.device)
        self.objective: Objective = OBJECTIVES[config.objective.name](
            config.objective, config.encoder.dimension, len(train.sizes)
        )
        if config.runtime.compile:
            encoder.compile()
        self._trained = Trained(encoder, self.objective)
        optimizer = build_optimizer(config.optimizer, self._trained.parameters())
        self._model, self._optimizer = fabric.setup(self._trained, optimizer)
        sampler = self.objective.sampler(self.train.offsets)
        self.points_per_step: int = config.training.batch_size * sampler.points_per_tuple
        self._tuples = TupleStream(sampler, config.training.batch_size, config.seed, "tuples")
        self._augment = AUGMENTATIONS[config.dataset.get("augment", "none")]

    def __call__(self, step: int) -> Tensor:
        """Train on the tuples of this step; their loss before it, a scalar on the device that nobody has waited for."""
        config, device = self.config, self.fabric.device
        batch = self._tuples.batch(step)
        points = self.train.points.gather(batch.points.flatten())
        points = self._augment(points, generator(config.seed, "augment", step, device))
        torch.manual_seed(generator(config.seed, "dropout", step).initial_seed())
        rate = learning_rate(config.optimizer, step, config.training.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        loss = self._model(points, batch)
        self.fabric.backward(loss)
        if config.training.clip_norm is not None:
            self.fabric.clip_gradients(
                self._model, self._optimizer, max_norm=config.training.clip_norm, error_if_nonfinite=False
            )
        self._optimizer.step()
        return loss.detach()

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return self._optimizer.param_groups[0]["lr"]

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of model and optimiser."""
        return {"model": self._trained.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up :meth:`state`. Raises KeyError, ValueError or RuntimeError where it does not fit."""
        self._trained.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
