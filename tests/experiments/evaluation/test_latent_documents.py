"""Documents in a run: features are means, similar points come from the unlabelled ones, the theory
is about those."""

from itertools import pairwise

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from crl.data.dataset import Dataset, Split
from crl.data.points import Documents, Sentences
from crl.experiments.config.compose import compose_config
from crl.experiments.errors import ConfigError
from crl.experiments.evaluation.encode import encode, encode_splits
from crl.experiments.evaluation.theory import latent_theory


class Encoder(nn.Module):
    """Sums the vectors of a sentence's words, drops some, so that evaluation mode shows, and counts
    its sentences."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 4, padding_idx=0)
        self.dropout = nn.Dropout(0.5)
        self.read = 0

    def forward(self, words: Tensor) -> Tensor:
        self.read += len(words)
        return self.dropout(self.embedding(words).sum(1))


def sentences(count: int, seed: int) -> Sentences:
    draws = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 6, (count,), generator=draws)
    words = torch.randint(1, 9, (int(lengths.sum()),), generator=draws, dtype=torch.int32)
    return Sentences(words, torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]))


@pytest.fixture
def dataset() -> Dataset:
    offsets = torch.tensor([0, 1, 4, 6, 12])
    labelled = Split(Documents(sentences(12, 0), offsets), torch.tensor([0, 2, 4]))
    train, dev = (Split(sentences(3 * n, n), torch.arange(0, 3 * n + 1, 3)) for n in (20, 6))
    return Dataset(
        "name", ["a", "b"], labelled, labelled, labelled, unlabelled_train=train, unlabelled_dev=dev
    )


def test_the_feature_of_a_document_is_the_mean_of_its_sentences_features(dataset: Dataset) -> None:
    torch.manual_seed(0)
    encoder, fabric, points = Encoder(), Fabric(accelerator="cpu"), dataset.test.points
    assert isinstance(points, Documents)
    ends = points.sentences.offsets.tolist()
    spans = [points.sentences.words[a:b].long() for a, b in pairwise(ends)]
    with torch.no_grad():
        one_by_one = [encoder.embedding(words).sum(0) for words in spans]
    slow = [torch.stack(one_by_one[a:b]).mean(0) for a, b in pairwise(points.offsets.tolist())]
    for batch_size in (1, 3, 100):
        found = encode(encoder, points, batch_size, fabric)
        torch.testing.assert_close(found, torch.stack(slow))
    assert encoder.training
    features = encode_splits(encoder, dataset, 5, fabric)
    torch.testing.assert_close(features["test"][0], torch.stack(slow))
    assert features["test"][1].tolist() == [0, 0, 1, 1]


def test_the_theory_is_about_the_documents_that_training_draws_from(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    encoder, fabric = Encoder(), Fabric(accelerator="cpu")
    config = compose_config(["dataset=imdb", "objective.block_size=2", "objective.negatives=2"])
    found = latent_theory(config, fabric, encoder, dataset, {})
    assert (found["classes"], found["points"]) == (6, 18)
    assert (found["train"]["classes"], found["train"]["points"]) == (6, 18)
    assert found["tau"] == pytest.approx(1 / 6)
    assert found["all_points"]["tau"] == pytest.approx(1 / 20)
    assert encoder.read == 36  # nothing else was encoded
    monkeypatch.setattr("crl.experiments.evaluation.theory._DOCUMENTS", 4)
    found = latent_theory(config, fabric, encoder, dataset, {})
    assert (found["classes"], found["train"]["classes"]) == (4, 4)
    assert found["all_points"]["tau"] == pytest.approx(1 / 20)


def test_the_supervised_baseline_needs_whole_documents() -> None:
    with pytest.raises(ConfigError, match=r"^objective=supervised: needs dataset.review=whole; "):
        compose_config(["dataset=imdb", "objective=supervised"])
    whole = ["dataset=imdb", "objective=supervised", "dataset.review=whole"]
    assert not compose_config(whole).dataset.points_are_means
