"""The theory of a run: what is checked, and what a violation does."""

import pytest
import torch

import crl.experiments.evaluation.theory
from crl.experiments.config.compose import compose_config
from crl.experiments.errors import RunError
from crl.experiments.evaluation.theory import theory


def test_a_violated_inequality_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    config = compose_config([])
    labels = torch.arange(4).repeat_interleave(8)
    points = torch.randn(32, 5, generator=torch.Generator().manual_seed(0)), labels
    features = {"train": points, "test": points}
    assert theory(config.objective, config.seed, features, 4)["all_points"]["tau"] == pytest.approx(
        0.25
    )
    exact = crl.experiments.evaluation.theory.theory_report

    def wrong(*arguments: object, **options: object) -> dict[str, object]:
        report = exact(*arguments, **options)  # type: ignore[arg-type]
        report["bounds"]["lemma_4_3"]["left"] = report["bounds"]["lemma_4_3"]["right"] + 1
        report["bounds"]["lemma_4_3"]["slack"] = -1.0
        return report

    monkeypatch.setattr(crl.experiments.evaluation.theory, "theory_report", wrong)
    with pytest.raises(RunError, match="lemma_4_3 violated"):
        theory(config.objective, config.seed, features, 4)
