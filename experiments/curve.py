"""The curves of Figure 2c: unsupervised loss on train and test points and supervised loss, while an encoder is trained."""

from collections.abc import Callable

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig
from torch import Tensor, nn

from crl.classifiers import mean_classifier, mean_classifier_loss
from crl.objectives import block_means, contrastive_loss
from data.sampler import TupleSampler, generator
from data.split import Split
from experiments.fit import encode

_BATCHES = 16  # batches of tuples over features that are encoded once


def curve(
    config: DictConfig, fabric: Fabric, encoder: nn.Module, train: Split, test: Split
) -> Callable[[], dict[str, float]]:
    """A function that gives the three losses of the encoder as it is when called.

    ``L_un`` at the run's k, b and loss on the same tuples every time; the supervised loss is that of the mean classifier
    on two classes (``L_sup^mu`` of section 2) for test points, its means being those of training points. Of a training
    class at most as many points are used as the class has test points, so that train and test are measured alike.
    """
    part = train.take(torch.minimum(train.sizes, test.sizes)) if len(train.sizes) == len(test.sizes) else train

    @torch.no_grad()
    def losses() -> dict[str, float]:
        features = {}
        for role, split in (("train", part), ("test", test)):
            features[role] = encode(encoder, split.points, config.evaluation.batch_size, fabric)
        found = {
            f"unsupervised_{role}_loss": _unsupervised_loss(config, features[role], split.offsets.to(fabric.device))
            for role, split in (("train", part), ("test", test))
        }
        labels = {role: split.labels.to(fabric.device) for role, split in (("train", part), ("test", test))}
        means = mean_classifier(features["train"], labels["train"], len(part.sizes)).weights
        found["supervised_test_loss"] = mean_classifier_loss(features["test"], means, labels["test"], config.objective.loss)
        return found

    return losses


def _unsupervised_loss(config: DictConfig, features: Tensor, offsets: Tensor) -> float:
    objective = config.objective
    sampler = TupleSampler(offsets, objective.block_size, objective.negatives, "fresh")
    losses = []
    for number in range(_BATCHES):
        batch = sampler.draw(config.training.batch_size, generator(config.seed, "curve", number, features.device))
        assert batch.negatives is not None  # they are drawn anew
        positive, negative = block_means(features[batch.positives]), block_means(features[batch.negatives])
        losses.append(contrastive_loss(features[batch.anchors], positive, negative, objective.loss))
    return float(torch.stack(losses).mean())
