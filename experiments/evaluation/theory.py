"""The theory's quantities and inequalities on the features of a run."""

from typing import Any

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig
from torch import Tensor, nn

from crl.theory.bounds import theory_report, violations
from crl.theory.collision_probability import class_distribution, collision_probability
from data.dataset import Dataset
from data.seeding import generator
from experiments.errors import RunError
from experiments.evaluation.accuracy import Features
from experiments.evaluation.encode import encode

_BUDGET = 5e7  # margins enumerated per split: some seconds on a CPU
_DOCUMENTS = (
    1000  # encoded per split where classes are documents; the budget pays for about 300 of IMDb's
)


def latent_theory(
    config: DictConfig,
    fabric: Fabric,
    encoder: nn.Module,
    dataset: Dataset,
    features: dict[str, Features],
) -> dict[str, Any]:
    """:func:`theory` on the latent classes that similar points are drawn from.

    Those are the labelled ones, of which the features are given, or else unlabelled documents: dev
    ones stand for test, and as many of training. They lie in random order, so that the first of
    them are as good as any.
    """
    if dataset.unlabelled_train is None or dataset.unlabelled_dev is None:
        return theory(config, features, len(dataset.classes), dataset.train.rho)
    count = min(len(dataset.unlabelled_train.sizes), len(dataset.unlabelled_dev.sizes), _DOCUMENTS)
    found = {}
    for role, split in (("test", dataset.unlabelled_dev), ("train", dataset.unlabelled_train)):
        part = split.first_classes(count)
        found[role] = (
            encode(encoder, part.points, config.evaluation.batch_size, fabric),
            part.labels,
        )
    return theory(config, found, count, sizes=dataset.unlabelled_train.sizes)


def theory(
    config: DictConfig,
    features: dict[str, Features],
    classes: int,
    rho: Tensor | None = None,
    sizes: Tensor | None = None,
) -> dict[str, Any]:
    """``theory`` of ``result.json``: tau, s(f), the losses and every bound on test features, the
    same on train's under ``train``; each on a subsample whose size is stated (``points``,
    ``classes``). Classes have the distribution rho [N], or where it is not given that of their
    points in each of the two. ``all_points`` has tau of all classes, of which ``sizes`` [N] may be
    given where train's features are not of all.

    Raises RunError if an inequality that holds for every encoder is violated beyond rounding: that
    would be a bug here.
    """
    found = {}
    for role in ("test", "train"):
        vectors, labels = features[role]
        draws = generator(config.seed, f"theory/{role}", 0)
        try:
            report = theory_report(
                vectors.cpu(), labels.cpu(), classes, config.objective.negatives, config.objective.block_size,
                config.objective.loss, draws, budget=_BUDGET, rho=rho,
            )  # fmt: skip
        except ValueError as error:
            raise RunError(f"the theory cannot be checked on {role} features ({error})") from error
        if broken := violations(report):
            raise RunError(
                f"{', '.join(broken)} violated on {role} features: a bug in crl, please report it"
            )
        bounds = report.pop("bounds")
        found[role] = report | bounds
    if rho is None:
        rho = class_distribution(
            torch.bincount(features["train"][1].cpu(), minlength=classes)
            if sizes is None
            else sizes
        )
    whole = {
        "tau": collision_probability(rho),
        "tau_k": collision_probability(rho, config.objective.negatives),
    }
    return found["test"] | {"train": found["train"], "all_points": whole}
