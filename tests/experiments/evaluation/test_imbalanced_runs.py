"""Imbalanced latent classes through a run: what trains, what is measured and what is said follow
the same rho."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from crl.cli.main import main
from crl.data.seeding import generator
from crl.data.tuples import TupleSampler
from crl.experiments.config.compose import compose_config
from crl.experiments.errors import ConfigError
from crl.experiments.evaluation.accuracy import group_scores
from crl.experiments.evaluation.theory import theory
from crl.losses.contrastive import contrastive_loss
from crl.losses.pooled import pooled_contrastive_loss
from crl.scoring.classifiers import Classifier
from crl.scoring.task_accuracy import average_k_way_accuracy, ranks
from crl.theory.bounds import theory_report

TINY = ["dataset.points_per_class=10", "dataset.test_per_class=3", "encoder.width=2",
        "training.batch_size=16", "training.steps=4", "training.dev_every=4",
        "evaluation.linear_steps=5", "evaluation.l2=[0.001]", "runtime.progress=false",
        "runtime.threads=1"]  # fmt: skip
RHO = torch.tensor([0.7, 0.1, 0.2], dtype=torch.float64)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dataset.imbalance=10"], "dataset.imbalance: 10 has no effect"),
        (
            ["dataset.class_distribution=uniform", "dataset.imbalance=2"],
            "dataset.imbalance: 2 has no effect",
        ),
        (
            ["dataset.class_distribution=longtail", "dataset.minority_share=0.2"],
            "dataset.minority_share: 0.2 has no effect",
        ),
        (
            ["dataset.class_distribution=step", "dataset.imbalance=0.5"],
            "dataset.imbalance: 0.5 is out of bounds",
        ),
        (["dataset.class_distribution=zipf"], "no choice 'zipf'"),
        (
            ["dataset=imdb", "dataset.class_distribution=step"],
            "dataset.class_distribution: no option of this dataset",
        ),
        (
            ["dataset=labelled_documents", "dataset.imbalance=2"],
            "dataset.imbalance: no option of this dataset",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(
    arguments: list[str], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        compose_config(arguments)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_too_few_points_for_the_few_shot_means_end_the_run_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train",
        *TINY,
        "dataset.class_sizes=step",
        "dataset.imbalance=3",
        f"run_dir={tmp_path / 'run'}",
    ]
    assert main(command) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "imbalance" in line]
    assert "3 leaves 3 training points" in line and "5 are needed" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("source", ["fresh", "pooled"])
def test_the_training_loss_estimates_l_un_under_rho(source: str) -> None:
    """Exact L_un on the finite split against the mean over drawn batches; the wrong rho would be
    far away."""
    sizes = torch.tensor([2, 5, 3])
    labels = torch.arange(3).repeat_interleave(sizes)
    draws = torch.Generator().manual_seed(0)
    features = (
        2 * torch.eye(3, dtype=torch.float64)[labels]
        + torch.randn(10, 3, generator=draws, dtype=torch.float64) / 2
    )
    exact, unweighted = (
        theory_report(features, labels, 3, 1, 1, "logistic", draws, draws=2, rho=rho)[
            "unsupervised_loss"
        ]["total"]
        for rho in (RHO, None)
    )
    sampler = TupleSampler(torch.tensor([0, 2, 7, 10]), 1, int(source == "fresh"), rho=RHO)
    losses = []
    for batch in sampler.draw_many(400, 64, generator(0, "train", 0)):
        if source == "pooled":
            losses.append(pooled_contrastive_loss(features[batch.points], 1))
        else:
            points = features[batch.points]
            losses.append(contrastive_loss(points[-1], points[0], points[1:2].transpose(0, 1)))
    found = torch.stack(losses)
    error = float(found.std()) / math.sqrt(len(found))
    assert abs(float(found.mean()) - exact) < 4 * error
    assert abs(unweighted - exact) > 20 * error


def test_theory_of_a_run_takes_the_given_rho_for_test_train_and_all_points() -> None:
    labels = torch.arange(3).repeat_interleave(8)
    points = torch.randn(24, 5, generator=torch.Generator().manual_seed(0)), labels
    found = theory(compose_config([]).objective, 0, {"train": points, "test": points}, 3, RHO)
    tau = float(RHO.square().sum())
    for part in (found, found["train"], found["all_points"]):
        assert part["tau"] == pytest.approx(tau)
    assert found["lemma_4_3"]["exact"] and found["lemma_4_3"]["slack"] >= 0


def test_group_scores_equal_those_of_the_group_alone_and_its_points_among_all() -> None:
    draws = torch.Generator().manual_seed(1)
    labels = torch.arange(5).repeat(6)[torch.randperm(30, generator=draws)]
    features = torch.eye(5)[labels] + torch.randn(30, 5, generator=draws)
    classifier = Classifier(
        torch.eye(5) + torch.randn(5, 5, generator=draws) / 4, torch.randn(5, generator=draws) / 4
    )
    rho = torch.tensor([0.1, 0.4, 0.1, 0.3, 0.1])
    scores = features @ classifier.weights.T + classifier.bias
    found = group_scores(classifier, (features, labels), rho)
    for name, group in (("majority", [1, 3]), ("minority", [0, 2, 4])):
        right, solved = [], []
        for c in group:
            rows = scores[labels == c]
            right.append(float((rows.argmax(1) == c).double().mean()))
            solved += [float((rows[:, c] > rows[:, o]).double().mean()) for o in group if o != c]
        assert found[f"top1_{name}"] == pytest.approx(sum(right) / len(right))
        assert found[f"avg2_{name}"] == pytest.approx(sum(solved) / len(solved))
    assert group_scores(classifier, (features, labels), torch.ones(5)) == {}
    assert set(group_scores(classifier, (features, labels), torch.tensor([6.0, 1, 1, 1, 1]))) == {
        "top1_majority", "top1_minority", "avg2_minority",
    }  # fmt: skip


@pytest.fixture(scope="module")
def imbalanced_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two ratios of the experiment, with the least work."""
    output = tmp_path_factory.mktemp("imbalanced")
    sweep = [
        "train",
        "-m",
        "experiment=imbalance_glyphs",
        "dataset.imbalance=1,20",
        *TINY,
        "training.curve_every=4",
    ]
    assert main([*sweep, f"output_dir={output}"]) == 0
    return output


def of_ratio(output: Path, ratio: float) -> tuple[Path, dict[str, Any]]:
    for path in output.glob("runs/*/*/result.json"):
        if f"imbalance: {ratio:.1f}\n" in (path.parent / "config.yaml").read_text():
            return path.parent, json.loads(path.read_text())
    raise AssertionError(f"no run of ratio {ratio}")


def test_a_run_measures_and_records_majority_and_minority(imbalanced_runs: Path) -> None:
    _, balanced = of_ratio(imbalanced_runs, 1)
    folder, result = of_ratio(imbalanced_runs, 20)
    assert not [name for name in balanced["metrics"] if name.endswith("ority")]
    assert "majority_classes" not in balanced["dataset"]
    names = {
        f"test.{c}.{m}_{g}"
        for c in ("mean", "linear")
        for m in ("top1", "avg2")
        for g in ("majority", "minority")
    }
    assert {name for name in result["metrics"] if name.endswith("ority")} == names
    assert len(result["dataset"]["majority_classes"]) == 50
    assert result["dataset"]["majority_classes"][:3] == ["0", "1", "2"]
    tau = (50 * 20**2 + 50) / (50 * 21) ** 2
    for part in (result["theory"], result["theory"]["train"], result["theory"]["all_points"]):
        assert part["tau"] == pytest.approx(tau)
    assert result["theory"]["lemma_4_3"]["slack"] >= 0
    (curve,) = [
        line
        for line in map(json.loads, (folder / "metrics.jsonl").open())
        if "supervised_test_loss" in line
    ]
    assert math.isfinite(curve["supervised_test_loss"])
    top1 = {g: result["metrics"][f"test.mean.top1_{g}"] for g in ("majority", "minority")}
    weighted = (
        20 * top1["majority"] + top1["minority"]
    ) / 21  # of step, TOP-1 by rho is made of the two
    assert result["metrics"]["test.mean.top1"] == pytest.approx(weighted)


def test_evaluating_again_gives_the_same_numbers(imbalanced_runs: Path) -> None:
    folder, result = of_ratio(imbalanced_runs, 20)
    assert main(["evaluate", str(folder), "runtime.progress=false"]) == 0
    (again,) = (folder / "evaluations").glob("*.json")
    assert json.loads(again.read_text())["metrics"] == pytest.approx(result["metrics"])


@pytest.mark.parametrize("module", ["objectives", "loss_curves"])
def test_training_dev_loss_and_curve_all_draw_from_the_same_rho(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    class Spied(TupleSampler):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            given.append((len(self.labels), self._spans.diff().double() / self._places))

    monkeypatch.setattr(f"crl.experiments.training.{module}.TupleSampler", Spied)
    command = [
        "train",
        *TINY,
        "dataset.class_sizes=step",
        "dataset.imbalance=1.8",
        "training.curve_every=4",
    ]
    assert main([*command, f"run_dir={tmp_path}"]) == 0
    assert [points for points, _ in given] == {"objectives": [700, 100], "loss_curves": [300, 300]}[
        module
    ]
    for _, shares in given:
        assert shares.tolist() == pytest.approx([9 / 700] * 50 + [5 / 700] * 50, rel=1e-5)


@pytest.mark.parametrize("objective", ["supervised", "quick_thoughts"])
def test_the_other_objectives_draw_from_rho_too(objective: str, tmp_path: Path) -> None:
    command = [
        "train",
        f"objective={objective}",
        *TINY,
        "dataset.class_distribution=longtail",
        "dataset.imbalance=50",
    ]
    assert main([*command, "evaluation.redraws=1", f"run_dir={tmp_path}"]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert "test.mean.top1_minority" in result["metrics"]
    shares = [50 ** (-c / 99) for c in range(100)]
    assert result["theory"]["tau"] == pytest.approx(sum(s * s for s in shares) / sum(shares) ** 2)


def test_a_text_whose_classes_are_documents_keeps_rho_in_another_vocabulary(tmp_path: Path) -> None:
    """``crl evaluate`` renames the words of the data; the distribution must survive that."""
    for topic in ("tea", "sea", "ore", "sky"):
        lines = [
            f"the {topic}{i % 7} and the {topic}{i % 5} are {topic}{i % 3} on day {i} ."
            for i in range(60)
        ]
        (tmp_path / f"{topic}.txt").write_text("\n".join(lines))
    command = ["train", "dataset=documents", f"dataset.root={tmp_path}",
               "dataset.min_sentences=20", "training.batch_size=16", "evaluation.ks=[2,3]",
               "evaluation.tops=[1]", "encoder.dimension=8", "encoder.embedding_dim=8",
               "objective.block_size=2", "objective.negatives=2", "training.steps=3",
               "evaluation.linear_steps=5", "dataset.class_sizes=longtail", "dataset.imbalance=4",
               "runtime.progress=false"]  # fmt: skip
    assert main([*command, f"run_dir={tmp_path / 'run'}"]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert "test.mean.avg2_minority" in result["metrics"]
    assert main(["evaluate", str(tmp_path / "run"), "runtime.progress=false"]) == 0
    (again,) = (tmp_path / "run" / "evaluations").glob("*.json")
    assert json.loads(again.read_text())["metrics"] == pytest.approx(result["metrics"])


def test_the_sweeps_table_and_report_show_majority_and_minority_against_the_ratio(
    imbalanced_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = [
        "train",
        "-m",
        "experiment=imbalance_glyphs",
        "dataset.imbalance=1,20",
        *TINY,
        "training.curve_every=4",
    ]
    capsys.readouterr()
    assert main([*sweep, f"output_dir={imbalanced_runs}"]) == 0  # complete already
    head, balanced, skewed = capsys.readouterr().out.strip().splitlines()[:3]
    assert "mu TOP-1 majority" in head and "TR AVG-2 minority" in head
    assert balanced.split()[0] == "1.0" and balanced.count("-") == 8
    assert skewed.split()[0] == "20.0" and "-" not in skewed
    assert main(["report", str(imbalanced_runs), f"out={tmp_path}"]) == 0
    (figure,) = (tmp_path / "figures").glob("imbalance-*.svg")
    drawing = figure.read_text()
    assert all(word in drawing for word in ("majority", "minority", "imbalance R"))
    (table,) = (tmp_path / "tables").glob("sweep-*.md")
    assert "TOP-1 majority" in table.read_text()


def test_uniform_ratio_reports_what_ranks_say() -> None:
    draws = torch.Generator().manual_seed(2)
    labels, features = torch.arange(12) % 4, torch.randn(12, 4, generator=draws)
    found = ranks(features, torch.eye(4), labels)
    from crl.experiments.evaluation.accuracy import scores

    options = compose_config(["evaluation.ks=[2]", "evaluation.tops=[1]"]).evaluation
    scored = scores(
        Classifier(torch.eye(4)), (features, labels), 4, options, torch.full((4,), 0.25)
    )
    assert scored["avg2"] == average_k_way_accuracy(found, labels, 4, 2)
