"""The theory's quantities and inequalities on the features of a run."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from crl.data.dataset import Dataset
from crl.data.seeding import generator
from crl.experiments.config.objectives import ObjectiveConfig
from crl.experiments.config.schema import Config
from crl.experiments.errors import RunError
from crl.experiments.evaluation.encode import Features, encode
from crl.theory.bounds import theory_report, violations
from crl.theory.collision_probability import class_distribution, collision_probability

_BUDGET = 5e7  # margins enumerated per split: some seconds on a CPU
_DOCUMENTS = 1000  # encoded per split if documents are the classes; about 300 of IMDb's fit _BUDGET


def latent_theory(
    config: Config,
    fabric: Fabric,
    encoder: nn.Module,
    dataset: Dataset,
    features: Mapping[str, Features],
) -> dict[str, Any]:
    """Return :func:`theory` on the latent classes that similar points are drawn from.

    These are the labelled classes, whose features are given, or unlabelled documents. For
    documents, dev stands in for test, and as many training documents are used. Documents lie in
    random order, so the first ones are a random sample.
    """
    objective = config.objective
    if dataset.unlabelled_train is None or dataset.unlabelled_dev is None:
        classes = len(dataset.classes)
        return theory(objective, config.seed, features, classes, dataset.train.rho)
    splits = {"test": dataset.unlabelled_dev, "train": dataset.unlabelled_train}
    count = min(_DOCUMENTS, *(len(split.sizes) for split in splits.values()))
    of_documents: dict[str, Features] = {}
    for role, split in splits.items():
        sample = split.first_classes(count)
        vectors = encode(encoder, sample.points, config.evaluation.batch_size, fabric)
        of_documents[role] = vectors, sample.labels
    sizes = dataset.unlabelled_train.sizes
    return theory(objective, config.seed, of_documents, count, sizes=sizes)


def theory(
    objective: ObjectiveConfig,
    seed: int,
    features: Mapping[str, Features],
    classes: int,
    rho: Tensor | None = None,
    sizes: Tensor | None = None,
) -> dict[str, Any]:
    """Return ``theory`` of ``result.json``: tau, s(f), the losses and every bound.

    The values are those of test features; ``train`` holds the same for train features. Each is
    measured on a subsample, whose size is stated (``points``, ``classes``). Classes have the
    distribution rho [N]; without it, that of their points in each split. ``all_points`` has tau of
    all classes. ``sizes`` [N]: how many points each class has, where the train features are not of
    all points.

    Raises RunError if an inequality that holds for every encoder is violated beyond rounding: that
    would be a bug here.
    """
    reports = {}
    for role in ("test", "train"):
        vectors, labels = features[role]
        draws = generator(seed, f"theory/{role}", 0)
        try:
            report = theory_report(
                vectors.cpu(), labels.cpu(), classes, objective.negatives, objective.block_size,
                objective.loss, draws, budget=_BUDGET, rho=rho,
            )  # fmt: skip
        except ValueError as error:
            raise RunError(f"the theory cannot be checked on {role} features ({error})") from error
        if broken := violations(report):
            names = ", ".join(broken)
            raise RunError(f"{names} violated on {role} features: a bug in crl, please report it")
        bounds = report.pop("bounds")
        reports[role] = report | bounds
    if rho is None:
        if sizes is None:
            sizes = torch.bincount(features["train"][1].cpu(), minlength=classes)
        rho = class_distribution(sizes)
    tau = collision_probability(rho)
    all_points = {"tau": tau, "tau_k": collision_probability(rho, objective.negatives)}
    return reports["test"] | {"train": reports["train"], "all_points": all_points}
