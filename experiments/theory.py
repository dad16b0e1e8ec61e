"""The theory's quantities and inequalities on the features of a run."""

from typing import Any

import torch
from omegaconf import DictConfig

from crl.theory import class_distribution, collision_probability, theory_report, violations
from data.sampler import generator
from experiments.errors import RunError
from experiments.evaluation import Features

_BUDGET = 5e7  # margins enumerated per split: some seconds on a CPU


def theory(config: DictConfig, features: dict[str, Features], classes: int) -> dict[str, Any]:
    """``theory`` of ``result.json``: tau, s(f), the losses and every bound on test features, the same on train's under
    ``train``; each on a subsample whose size is stated (``points``, ``classes``). ``all_points`` has tau of all classes.

    Raises RunError if an inequality that holds for every encoder is violated beyond rounding: that would be a bug here.
    """
    found = {}
    for role in ("test", "train"):
        vectors, labels = features[role]
        draws = generator(config.seed, f"theory/{role}", 0)
        try:
            report = theory_report(
                vectors.cpu(), labels.cpu(), classes, config.objective.negatives, config.objective.block_size,
                config.objective.loss, draws, budget=_BUDGET,
            )  # fmt: skip
        except ValueError as error:
            raise RunError(f"the theory cannot be checked on {role} features ({error})") from error
        if broken := violations(report):
            raise RunError(f"{', '.join(broken)} violated on {role} features: a bug in crl, please report it")
        bounds = report.pop("bounds")
        found[role] = report | bounds
    rho = class_distribution(torch.bincount(features["train"][1].cpu(), minlength=classes))
    whole = {"tau": collision_probability(rho), "tau_k": collision_probability(rho, config.objective.negatives)}
    return found["test"] | {"train": found["train"], "all_points": whole}
