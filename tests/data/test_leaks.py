"""Points that two splits have in common, against Python's sets."""

import pytest
import torch
from dataset_defaults import load
from hypothesis import given
from hypothesis import strategies as st

from crl.data.dataset import Dataset, Split
from crl.data.leaks import find_leaks
from crl.data.points import Documents, Images, Points, Sentences, Vectors

Words = list[int]

# Few words and short sentences, so that many are equal.
sentences = st.lists(st.lists(st.integers(1, 3), max_size=3), min_size=2, max_size=12)
documents = st.lists(
    st.lists(st.lists(st.integers(1, 2), max_size=2), min_size=1, max_size=2),
    min_size=2,
    max_size=8,
)
pixels = st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=2, max_size=8)


def offsets(groups: list) -> torch.Tensor:
    return torch.tensor([0, *map(len, groups)]).cumsum(0)


def sentences_of(points: list[Words]) -> Sentences:
    flat = torch.tensor([word for point in points for word in point], dtype=torch.int32)
    return Sentences(flat, offsets(points))


def documents_of(points: list[list[Words]]) -> Documents:
    return Documents(
        sentences_of([sentence for point in points for sentence in point]), offsets(points)
    )


def images_of(points: list[list[int]]) -> Images:
    return Images(torch.tensor(points, dtype=torch.uint8).view(-1, 3, 1, 1))


def split_of(points: Points) -> Split:
    """Two classes: the first point, and all others."""
    return Split(points, torch.tensor([0, 1, len(points)]))


def dataset_of(train: Points, dev: Points, test: Points, **more: Split) -> Dataset:
    return Dataset("made up", ["a", "b"], split_of(train), split_of(dev), split_of(test), **more)


def frozen(point: list) -> tuple:
    return tuple(frozen(part) if isinstance(part, list) else part for part in point)


def reference(**splits: list) -> list[tuple[str, str, int, int]]:
    found = []
    for seen, asked in (("train", "test"), ("train", "dev"), ("dev", "test")):
        there = set(map(frozen, splits[seen]))
        count = len([point for point in splits[asked] if frozen(point) in there])
        found += [(seen, asked, count, len(splits[asked]))] if count else []
    return found


@given(sentences, sentences, sentences)
def test_sentences(train, dev, test):
    dataset = dataset_of(*map(sentences_of, (train, dev, test)))
    assert find_leaks(dataset) == reference(train=train, dev=dev, test=test)


@given(documents, documents, documents)
def test_documents(train, dev, test):
    """The places where sentences end count."""
    dataset = dataset_of(*map(documents_of, (train, dev, test)))
    assert find_leaks(dataset) == reference(train=train, dev=dev, test=test)


@given(pixels, pixels, pixels)
def test_images(train, dev, test):
    dataset = dataset_of(*map(images_of, (train, dev, test)))
    assert find_leaks(dataset) == reference(train=train, dev=dev, test=test)


@given(pixels, pixels, pixels)
def test_features(train, dev, test):
    def vectors_of(points: list[list[int]]) -> Vectors:
        return Vectors(torch.tensor(points, dtype=torch.float32).view(-1, 3, 1))

    dataset = dataset_of(*map(vectors_of, (train, dev, test)))
    assert find_leaks(dataset) == reference(train=train, dev=dev, test=test)


def test_how_images_lie_in_memory_does_not_count():
    images = torch.randint(
        256, (6, 3, 5, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    other = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert not other.is_contiguous()
    dataset = dataset_of(Images(images[:4]), Images(images[4:]), Images(other[2:]))
    assert find_leaks(dataset) == [("train", "test", 2, 4), ("dev", "test", 2, 4)]


@given(documents, documents, documents)
def test_unlabelled_documents_are_compared_as_wholes(train, held_out, test):
    unlabelled = {"unlabelled_train": train, "unlabelled_dev": held_out}
    more = {}
    for role, points in unlabelled.items():
        whole = documents_of(points)
        more[role] = Split(whole.sentences, whole.offsets)
    others = [
        documents_of([[[number]], [[number]]]) for number in (7, 8)
    ]  # not in test, nor in each other
    dataset = dataset_of(*others, documents_of(test), **more)
    there = set(map(frozen, train))
    counts = [sum(frozen(document) in there for document in asked) for asked in (held_out, test)]
    wanted = [
        ("unlabelled_train", asked, count)
        for asked, count in zip(("unlabelled_dev", "test"), counts, strict=True)
    ]
    assert [leak[:3] for leak in find_leaks(dataset)] == [line for line in wanted if line[2]]


def test_labelled_documents_as_one_sentence_are_not_compared_with_unlabelled_ones():
    whole = documents_of([[[1]], [[2]]])
    similar = Split(whole.sentences, whole.offsets)
    labelled = (sentences_of([[number], [number]]) for number in (7, 8, 1))
    dataset = dataset_of(*labelled, unlabelled_train=similar, unlabelled_dev=similar)
    assert find_leaks(dataset) == [("unlabelled_train", "unlabelled_dev", 2, 2)]


def test_points_of_an_unknown_kind_are_refused():
    class Other(Images):
        pass

    class Alien:
        def __len__(self):
            return 2

    assert find_leaks(
        dataset_of(Other(torch.zeros(2, 3, 1, 1)), *[images_of([[1, 1, 1], [2, 2, 2]])] * 2)
    )
    with pytest.raises(TypeError, match="Alien"):
        find_leaks(dataset_of(Alien(), Alien(), Alien()))


def test_built_in_images_share_no_point():
    assert find_leaks(load("glyphs", points_per_class=8, test_per_class=2, dev_fraction=0.25)) == []


def test_built_in_text_shares_few_points(tmp_path, monkeypatch):
    """The loader drops repeated sentences, but all rare words are one to the encoder."""
    monkeypatch.setenv("CRL_DATA", str(tmp_path))
    monkeypatch.setattr("crl.data.datasets.docstrings.PACKAGES", {"networkx": "networkx"})
    assert all(
        leak.shared < 0.02 * leak.points
        for leak in find_leaks(load("docstrings", sentences_per_document=80))
    )
