"""Splits and points against lists of lists."""

from itertools import count, islice, pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crl.data.dataset import Dataset, Split, fingerprint, pixel_statistics, split_off
from crl.data.errors import DataError
from crl.data.points import Documents, Images, Sentences

Groups = list[list[list[int]]]  # class -> points -> word ids


def numbered(lengths: list[list[int]]) -> Groups:
    """Sentences of these lengths, all words different; the first has at least one word."""
    fresh = count(1)
    lengths = [[1, *lengths[0]], *lengths[1:]]
    return [[list(islice(fresh, length)) for length in points] for points in lengths]


groups = st.lists(st.lists(st.integers(0, 4), max_size=5), min_size=1, max_size=4).map(numbered)
fractions = st.sampled_from(
    [0.125, 0.25, 0.5, 0.75, 1.0]  # exact in binary: both sides round alike
)


def sentences_of(points: list[list[int]]) -> Sentences:
    flat = torch.tensor([word for point in points for word in point], dtype=torch.int32)
    return Sentences(flat, torch.tensor([0, *(len(point) for point in points)]).cumsum(0))


def lists_of(points: Sentences) -> list[list[int]]:
    ends = points.offsets.tolist()
    return [points.words[a:b].tolist() for a, b in pairwise(ends)]


def split_of(classes: Groups) -> Split:
    offsets = torch.tensor([0, *(len(points) for points in classes)]).cumsum(0)
    return Split(sentences_of([point for points in classes for point in points]), offsets)


def classes_of(split: Split) -> Groups:
    points, ends = lists_of(split.points), split.offsets.tolist()
    return [points[a:b] for a, b in pairwise(ends)]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20))
def test_from_labels_sorts_by_class_and_keeps_the_order_inside(labels):
    points = [[i] * (i % 3) for i in range(len(labels))]
    split = Split.from_labels(sentences_of(points), torch.tensor(labels), 5)
    assert classes_of(split) == [
        [p for p, label in zip(points, labels, strict=True) if label == c] for c in range(5)
    ]
    assert split.labels.tolist() == sorted(labels)
    assert split.sizes.tolist() == [labels.count(c) for c in range(5)]


@given(groups, st.data())
def test_take_and_drop_cut_every_class(classes, data):
    counts = [data.draw(st.integers(0, len(points) + 1)) for points in classes]
    split = split_of(classes)
    assert classes_of(split.take(torch.tensor(counts))) == [
        c[:n] for c, n in zip(classes, counts, strict=True)
    ]
    assert classes_of(split.drop(torch.tensor(counts))) == [
        c[n:] for c, n in zip(classes, counts, strict=True)
    ]


@given(groups, fractions)
def test_split_off_gives_all_points_to_one_side_or_the_other(classes, share):
    taken, rest = map(classes_of, split_off(split_of(classes), share))
    assert [a + b for a, b in zip(taken, rest, strict=True)] == classes
    assert [len(a) for a in taken] == [round(len(c) * share) for c in classes]


@given(groups, fractions)
def test_fraction_keeps_the_first_share_and_at_least_one_point(classes, share):
    kept = classes_of(split_of(classes).fraction(share))
    assert kept == [c[: max(round(len(c) * share), 1)] for c in classes]


@given(groups, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_smaller_fraction_is_a_subset_of_a_larger(classes, one, other):
    split = split_of(classes)
    small, large = (classes_of(split.fraction(share)) for share in sorted([one, other]))
    assert all(b[: len(a)] == a for a, b in zip(small, large, strict=True))


@given(groups, st.integers(0, 2**40))
def test_shuffled_keeps_every_class(classes, seed):
    split = split_of(classes)
    shuffled = classes_of(split.shuffled(seed))
    assert [sorted(c) for c in shuffled] == [sorted(c) for c in classes]
    assert shuffled == classes_of(split.shuffled(seed))


def test_shuffled_reaches_every_order_of_a_class():
    split = split_of([[[9]], [[1], [2], [3]]])
    orders = {str(classes_of(split.shuffled(seed))) for seed in range(100)}
    assert len(orders) == 6


@given(groups, st.data())
def test_select_and_gather_return_the_points_asked_for(classes, data):
    points = [point for c in classes for point in c]
    index = data.draw(st.lists(st.integers(0, len(points) - 1), max_size=8))
    sentences = sentences_of(points)
    assert lists_of(sentences.select(torch.tensor(index, dtype=torch.int64))) == [
        points[i] for i in index
    ]
    batch = sentences.gather(torch.tensor(index, dtype=torch.int64))
    width = max([len(points[i]) for i in index] + [1])
    assert batch.tolist() == [points[i] + [0] * (width - len(points[i])) for i in index]
    assert batch.dtype == torch.int64 and batch.shape == (len(index), width)


@given(groups)
def test_reading_order_visits_every_sentence_once_by_length(classes):
    points = [point for c in classes for point in c]
    order = sentences_of(points).reading_order().tolist()
    assert order == sorted(range(len(points)), key=lambda i: len(points[i]))


def documents_of(texts: Groups) -> Documents:
    counts = torch.tensor([0, *(len(sentences) for sentences in texts)])
    return Documents(
        sentences_of([sentence for sentences in texts for sentence in sentences]), counts.cumsum(0)
    )


def texts_of(documents: Documents) -> Groups:
    sentences = lists_of(documents.sentences)
    return [sentences[a:b] for a, b in pairwise(documents.offsets.tolist())]


@given(groups, st.data())
def test_documents_select_and_gather_keep_their_sentences_together(texts, data):
    index = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=6))
    documents, where = documents_of(texts), torch.tensor(index, dtype=torch.int64)
    assert len(documents) == len(texts)
    assert texts_of(documents.select(where)) == [texts[i] for i in index]
    wanted = [sentence for i in index for sentence in texts[i]]
    width = max([len(sentence) for sentence in wanted] + [1])
    assert documents.gather(where).tolist() == [
        sentence + [0] * (width - len(sentence)) for sentence in wanted
    ]
    assert documents.reading_order().tolist() == sorted(
        range(len(texts)), key=lambda i: len(texts[i])
    )


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(1, 3))
def test_the_feature_of_a_document_is_the_mean_over_its_sentences(counts, dimension):
    documents = documents_of([[[1]] * count for count in counts])
    features = torch.randn(sum(counts), dimension, generator=generator())
    wanted = [
        torch.stack(list(islice(rows, count))).mean(0)
        for rows in [iter(features)]
        for count in counts
    ]
    torch.testing.assert_close(documents.means(features), torch.stack(wanted))


@given(groups, st.integers(1, 5))
def test_first_classes(classes, count):
    assert classes_of(split_of(classes).first_classes(count)) == classes[:count]


@given(st.lists(st.integers(0, 6), max_size=9))
def test_images_select_and_gather(index):
    pixels = torch.randint(256, (7, 3, 4, 5), generator=generator(), dtype=torch.uint8)
    where = torch.tensor(index, dtype=torch.int64)
    wanted = [pixels[i].tolist() for i in index]
    assert Images(pixels).gather(where).tolist() == wanted
    assert Images(pixels).select(where).rows.tolist() == wanted
    assert Images(pixels).reading_order().tolist() == list(range(7))
    assert len(Images(pixels)) == 7


def test_to_moves_points_and_offsets():
    for points in (
        sentences_of([[1, 2], [3]]),
        documents_of([[[1, 2]], [[3], [4]]]),
        Images(torch.zeros(2, 3, 4, 4, dtype=torch.uint8)),
    ):
        moved = Split(points, torch.tensor([0, 1, 2])).to(torch.device("meta"))
        assert {t.device.type for t in (*moved.points.tensors(), moved.offsets)} == {"meta"}


@given(groups, st.data())
def test_fingerprint_changes_with_any_point_label_or_place(classes, data):
    splits = [split_of(classes), split_of(classes)]
    before = fingerprint(splits)
    assert before == fingerprint([split_of(classes), split_of(classes)])
    assert len(before) == 16 and int(before, 16) >= 0

    at = data.draw(st.integers(0, 1))
    tensors = [*splits[at].points.tensors(), splits[at].offsets]
    which = data.draw(st.sampled_from([i for i in range(3) if len(tensors[i])]))
    place = data.draw(st.integers(0, len(tensors[which]) - 1))
    tensors[which] = tensors[which].index_add(
        0, torch.tensor([place]), torch.ones(1, dtype=tensors[which].dtype)
    )
    splits[at] = Split(Sentences(*tensors[:2]), tensors[2])
    assert fingerprint(splits) != before


def test_fingerprint_sees_where_one_split_ends_and_how_images_are_shaped():
    one, two, both = (
        split_of([[[1]], [[2]]]),
        split_of([[[3]], [[4]]]),
        split_of([[[1], [3]], [[2], [4]]]),
    )
    assert (
        len({fingerprint(s) for s in ([one, two], [two, one], [both], [one], [one, two, both])})
        == 5
    )
    pixels = torch.arange(48, dtype=torch.uint8)
    shapes = [(1, 3, 4, 4), (1, 3, 2, 8), (1, 3, 8, 2)]
    assert (
        len({fingerprint([Split(Images(pixels.view(s)), torch.tensor([0, 1]))]) for s in shapes})
        == 3
    )


def test_pixel_statistics_are_those_of_the_pixels():
    pixels = torch.randint(256, (6, 3, 5, 4), generator=generator(), dtype=torch.uint8)
    pixels[:, 2] = 7  # a constant channel must not give a standard deviation of 0
    mean, std = pixel_statistics(Split(Images(pixels), torch.tensor([0, 6])))
    values = (pixels.double() / 255).transpose(0, 1).flatten(1)
    assert mean == pytest.approx(values.mean(1).tolist())
    assert std == pytest.approx([*values[:2].std(1, unbiased=False).tolist(), 1e-3])
    with pytest.raises(TypeError):
        pixel_statistics(split_of([[[1]]]))


def test_a_dataset_needs_two_classes_and_a_point_of_each_in_every_split():
    full, hole = split_of([[[1]], [[2]]]), split_of([[[1]], []])
    assert len(Dataset("name", ["a", "b"], full, full, full).fingerprint()) == 16
    for role in ("train", "dev", "test"):
        with pytest.raises(
            DataError, match=f"^dataset name: class 'b' has no {role} point; give it more points$"
        ):
            Dataset(
                "name", ["a", "b"], **{**dict.fromkeys(("train", "dev", "test"), full), role: hole}
            )
    with pytest.raises(
        DataError, match=r"^dataset name: 1 usable class\(es\); at least 2 are needed$"
    ):
        Dataset("name", ["a"], full, full, full)


def test_similar_points_are_of_the_labelled_classes_or_of_unlabelled_documents():
    labelled, dev = split_of(numbered([[1] * 9, [1] * 20])), split_of(numbered([[], [1]]))
    plain = Dataset("name", ["a", "b"], labelled, dev, dev)
    assert [s.sizes.tolist() for s in plain.contrastive_splits()] == [[10, 20], [1, 1]]
    assert plain.contrastive_splits(0.5)[0].sizes.tolist() == [5, 10]
    many = split_of(numbered([[1] * i for i in range(10)]))
    other = Dataset(
        "name", ["a", "b"], labelled, dev, dev, unlabelled_train=many, unlabelled_dev=labelled
    )
    assert [s.sizes.tolist() for s in other.contrastive_splits()] == [[1, *range(1, 10)], [10, 20]]
    assert classes_of(other.contrastive_splits(0.3)[0]) == classes_of(many)[:3]  # whole documents
    assert (
        classes_of(other.contrastive_splits(0.01)[0]) == classes_of(many)[:2]
    )  # a single document has no negatives
