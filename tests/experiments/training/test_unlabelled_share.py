"""``dataset.train_fraction``: what training sees of the unlabelled points, and nothing beyond."""

from pathlib import Path

import pytest
import torch

from experiments.config.compose import compose_config
from experiments.evaluation.theory import theory
from experiments.training.build import make_encoder, prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two documents; a sentence pairs a word with the next of its document."""
    place = tmp_path_factory.mktemp("documents")
    for name in ("tea", "sea"):
        words = [f"{name}{a}{b}" for a in "abcdefgh" for b in "abcdefgh"]
        lines = [
            f"{words[i % 64]} {words[(i + 1) % 64]} {words[(i * 7) % 64]} ." for i in range(200)
        ]
        (place / f"{name}.txt").write_text("\n".join(dict.fromkeys(lines)))
    return place


def test_word_vectors_are_learned_on_the_share_alone(folder: Path) -> None:
    config = compose_config(["dataset=documents", f"dataset.root={folder}", "evaluation.ks=[2]", "evaluation.tops=[1]",
                             "encoder.embedding_dim=8", "dataset.train_fraction=0.2", "objective.block_size=2"])  # fmt: skip
    dataset, _ = prepare(config, lambda line: None)
    share = dataset.train.fraction(0.2)
    encoder, _ = make_encoder(config, dataset, share)
    vectors = encoder.get_parameter("embedding.weight")
    seen = torch.zeros(len(vectors), dtype=torch.bool)
    seen[share.points.tensors()[0].unique().long()] = True
    assert 0 < seen.sum() < len(vectors) - 2
    assert (vectors[~seen] == 0).all()
    assert (vectors[seen].norm(dim=1) > 0).any()


def test_a_violated_inequality_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    import experiments.evaluation.theory
    from experiments.errors import RunError

    config = compose_config([])
    labels = torch.arange(4).repeat_interleave(8)
    points = torch.randn(32, 5, generator=torch.Generator().manual_seed(0)), labels
    features = {"train": points, "test": points}
    assert theory(config, features, 4)["all_points"]["tau"] == pytest.approx(0.25)
    exact = experiments.evaluation.theory.theory_report

    def wrong(*arguments: object, **options: object) -> dict[str, object]:
        report = exact(*arguments, **options)  # type: ignore[arg-type]
        report["bounds"]["lemma_4_3"]["left"] = report["bounds"]["lemma_4_3"]["right"] + 1
        report["bounds"]["lemma_4_3"]["slack"] = -1.0
        return report

    monkeypatch.setattr(experiments.evaluation.theory, "theory_report", wrong)
    with pytest.raises(RunError, match="lemma_4_3 violated"):
        theory(config, features, 4)
