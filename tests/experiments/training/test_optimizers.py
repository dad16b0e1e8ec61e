"""Learning rate and optimiser."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from crl.experiments.config.compose import compose_config
from crl.experiments.config.schema import OptimizerConfig
from crl.experiments.training.optimizers import build_optimizer, learning_rate


@given(st.integers(1, 300), st.floats(0, 0.9), st.sampled_from(["cosine", "constant"]))
def test_the_learning_rate_rises_once_then_never_again(
    steps: int, warmup: float, schedule: str
) -> None:
    options = OptimizerConfig("adamw", lr=0.1, warmup=warmup, schedule=schedule)
    rates = [learning_rate(options, step, steps) for step in range(steps)]
    top = rates.index(max(rates))
    assert all(0 < rate <= 0.1 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_weight_decay_spares_biases_and_norms() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    for name in ("adamw", "sgd"):
        options = compose_config([f"optimizer={name}"]).optimizer
        groups = build_optimizer(options, model.parameters()).param_groups
        decayed = {id(p) for g in groups if g["weight_decay"] > 0 for p in g["params"]}
        assert decayed == {id(model[0].weight)}
