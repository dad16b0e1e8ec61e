"""``dataset.train_fraction``: what training sees of the unlabelled points, and nothing beyond."""

from pathlib import Path

import pytest
import torch

from crl.experiments.config.compose import compose_config
from crl.experiments.training.build import load_data, make_encoder


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
    options = ["evaluation.ks=[2]", "evaluation.tops=[1]", "encoder.embedding_dim=8"]
    options += ["dataset.train_fraction=0.2", "objective.block_size=2"]
    config = compose_config(["dataset=documents", f"dataset.root={folder}", *options])
    dataset, _ = load_data(config, lambda line: None)
    share = dataset.train.fraction(0.2)
    encoder = make_encoder(config, dataset, share, print)
    vectors = encoder.get_parameter("embedding.weight")
    seen = torch.zeros(len(vectors), dtype=torch.bool)
    seen[share.points.tensors()[0].unique().long()] = True
    assert 0 < seen.sum() < len(vectors) - 2
    assert (vectors[~seen] == 0).all()
    assert (vectors[seen].norm(dim=1) > 0).any()
