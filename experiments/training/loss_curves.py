"""The curves of Figure 2c: unsupervised loss on train and test points and supervised loss, while an
encoder is trained."""

from collections.abc import Callable

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig
from torch import Tensor, nn

from crl.losses.contrastive import contrastive_loss
from crl.scoring.classifiers import mean_classifier, mean_classifier_loss
from data.dataset import Dataset
from data.seeding import generator
from data.split import Split
from data.tuples import TupleSampler
from experiments.evaluation.encode import encode

_BATCHES = 16  # batches of tuples over features that are encoded once
_LABELLED = (
    1000  # documents of a class, each of several sentences: so many settle a loss of two classes
)


def curve(
    config: DictConfig, fabric: Fabric, encoder: nn.Module, train: Split, dataset: Dataset
) -> Callable[[], dict[str, float]]:
    """A function that gives the three losses of the encoder as it is when called.

    ``L_un`` at the run's k, b and loss on the same tuples every time; the supervised loss is that
    of the mean classifier on two classes (``L_sup^mu`` of section 2) for test points, its means
    being those of training points. Of a training class at most as many points are used as the class
    has test points, so that train and test are measured alike.

    ``train`` is what similar points are drawn from. Where those are of unlabelled documents, L_un
    is that of as many training as held-out ones, and the supervised loss that of labelled
    documents, at most ``_LABELLED`` of a class.
    """
    if dataset.unlabelled_dev is None:
        similar = {
            "train": train.take(torch.minimum(train.sizes, dataset.test.sizes)),
            "test": dataset.test,
        }
        labelled = similar
    else:
        held_out = dataset.unlabelled_dev
        similar = {"train": train.first_classes(len(held_out.sizes)), "test": held_out}
        both = {"train": dataset.train, "test": dataset.test}
        labelled = {
            role: split.take(split.sizes.clamp(max=_LABELLED)) for role, split in both.items()
        }

    def encoded(splits: dict[str, Split]) -> dict[str, Tensor]:
        return {
            r: encode(encoder, s.points, config.evaluation.batch_size, fabric)
            for r, s in splits.items()
        }

    @torch.no_grad()
    def losses() -> dict[str, float]:
        features = encoded(similar)
        found = {
            f"unsupervised_{role}_loss": _unsupervised_loss(
                config, features[role], split.offsets.to(fabric.device), split.rho
            )
            for role, split in similar.items()
        }
        if labelled is not similar:
            features = encoded(labelled)
        labels = {role: split.labels.to(fabric.device) for role, split in labelled.items()}
        means = mean_classifier(
            features["train"], labels["train"], len(labelled["train"].sizes)
        ).weights
        found["supervised_test_loss"] = mean_classifier_loss(
            features["test"], means, labels["test"], config.objective.loss, labelled["test"].rho
        )
        return found

    return losses


def _unsupervised_loss(
    config: DictConfig, features: Tensor, offsets: Tensor, rho: Tensor | None
) -> float:
    objective = config.objective
    sampler = TupleSampler(offsets, objective.block_size, objective.negatives, rho=rho)
    losses = []
    for number in range(_BATCHES):
        batch = sampler.draw(
            config.training.batch_size, generator(config.seed, "curve", number, features.device)
        )
        positive, negative = features[batch.positives].mean(0), features[batch.negatives].mean(0)
        losses.append(
            contrastive_loss(
                features[batch.anchors], positive, negative.transpose(0, 1), objective.loss
            )
        )
    return float(torch.stack(losses).mean())
