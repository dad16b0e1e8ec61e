"""One training step, the same for every modality and objective: draw, encode, loss, update."""

from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from crl.data.augment import AUGMENTATIONS, Share
from crl.data.dataset import Split
from crl.data.seeding import generator, seed_of
from crl.data.tuples import TupleBatch, TupleStream
from crl.experiments.config.objectives import OBJECTIVES
from crl.experiments.config.schema import Config
from crl.experiments.runtime.batch_norm import with_global_batch_norm
from crl.experiments.runtime.ranks import gather_columns, own_columns
from crl.experiments.training.objectives import Objective
from crl.experiments.training.optimizers import build_optimizer, learning_rate


class Trained(nn.Module):
    """Encoder and objective as one module, so that one forward gives the loss.

    ``compiled``: this forward alone calls the encoder through torch.compile; evaluation does not.
    With several ranks the points are those of this rank's tuples; the loss is that of all.
    """

    def __init__(
        self, encoder: nn.Module, objective: Objective, fabric: Fabric, compiled: bool
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective
        self._fabric = fabric
        self._shared = fabric.world_size > 1
        self._encode: Callable[[Tensor], Tensor] = (
            torch.compile(encoder.forward) if compiled else encoder.__call__
        )

    def forward(self, points: Tensor, batch: TupleBatch) -> Tensor:
        with self._fabric.autocast():  # not the loss: scores of many pairs need all their digits
            features = self._encode(points)
        features = features.float().unflatten(0, (len(batch.points), -1))
        return self.objective(gather_columns(features) if self._shared else features, batch)


class TrainingStep:
    """The training steps of a run: call it with 0, 1, ... for one step each.

    Every random draw depends on (seed, stream, step) alone. With several ranks all call it
    together. Each draws the whole batch and encodes its share of the tuples. Loss and update are
    those of the whole batch: the same on every rank, and equal up to the order of sums for any
    number of ranks. Only dropout differs from rank to rank.
    """

    def __init__(self, config: Config, fabric: Fabric, encoder: nn.Module, train: Split) -> None:
        self.fabric = fabric
        self._shared = fabric.world_size > 1
        self.encoder = with_global_batch_norm(encoder, fabric.device) if self._shared else encoder
        self.train = train.to(fabric.device)
        objective = OBJECTIVES[config.objective.name].load()
        self.objective: Objective = objective(
            config.objective, config.encoder.dimension, len(train.sizes)
        )
        self._trained = Trained(self.encoder, self.objective, fabric, config.runtime.compile).to(
            fabric.device
        )
        self._optimizer = build_optimizer(config.optimizer, self._trained.parameters())
        # Not Fabric.setup: a small encoder's step feels its wrappers, and nothing here needs them.
        self._model = fabric.strategy.setup_module(self._trained)
        batch_size = config.training.batch_size
        sampler = self.objective.sampler(self.train.offsets, self.train.rho)
        self.points_per_step = batch_size * sampler.points_per_tuple
        self._tuples = TupleStream(sampler, batch_size, config.seed, "tuples")
        self._augment = AUGMENTATIONS[config.dataset.augment]
        self._dropout = f"dropout/{fabric.global_rank}" if fabric.global_rank else "dropout"
        self._config = config

    def __call__(self, step: int) -> Tensor:
        """Train on the tuples of this step; return the loss before it, a scalar on the device.

        On images nothing here waits for the device. Sentences wait for the longest of the batch.
        """
        batch = self._tuples.batch(step)
        points = self._points(batch, step)
        self._prepare(step)
        loss: Tensor = self._model(points, batch)
        loss.backward()
        if self._config.training.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._trained.parameters(), self._config.training.clip_norm)
        self._optimizer.step()
        return loss.detach()

    def _points(self, batch: TupleBatch, step: int) -> Tensor:
        """Gather this rank's points, augmented as in the whole batch."""
        index, share = batch.points.flatten(), None
        if self._shared:
            columns = own_columns(batch.points.shape[1], self.fabric)
            places = torch.arange(len(index), device=index.device).view_as(batch.points)
            share = Share(places[:, columns].flatten(), len(index))
            index = index[share.index]
        draws = generator(self._config.seed, "augment", step, self.fabric.device)
        return self._augment(self.train.points.gather(index), draws, share)

    def _prepare(self, step: int) -> None:
        """Set dropout's seed and the learning rate of this step, and clear the gradients."""
        _seed_dropout(seed_of(self._config.seed, self._dropout, step), self.fabric.device)
        rate = learning_rate(self._config.optimizer, step, self._config.training.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return self._optimizer.param_groups[0]["lr"]

    def state(self) -> dict[str, Any]:
        """Return the state of model and optimiser for a checkpoint."""
        return {"model": self._trained.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over :meth:`state`.

        Raises KeyError, ValueError or RuntimeError if it does not fit.
        """
        self._trained.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])


def _seed_dropout(seed: int, device: torch.device) -> None:
    if device.type == "cpu":
        # torch.manual_seed takes half a millisecond to look for other devices.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
