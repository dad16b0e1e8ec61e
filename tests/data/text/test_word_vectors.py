"""Word vectors from co-occurrence, against a dense reference."""

import numpy as np
import pytest
import torch
from dataset_defaults import text_options
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from crl.data.dataset import Split
from crl.data.points import Images, Sentences
from crl.data.text.tokens import text_dataset
from crl.data.text.word_vectors import corpus_vectors, random_vectors


def corpus(sentences: list[list[int]]) -> Split:
    words = torch.tensor([word for sentence in sentences for word in sentence], dtype=torch.int32)
    offsets = torch.tensor([0, *map(len, sentences)]).cumsum(0)
    return Split(Sentences(words, offsets), torch.tensor([0, len(sentences)]))


def ppmi(sentences: list[list[int]], size: int, window: int) -> np.ndarray:
    """Positive pointwise mutual information, one pair of words at a time."""
    counts = np.zeros((size, size))
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for j, context in enumerate(sentence):
                if 1 <= abs(i - j) <= window:
                    counts[word, context] += 1 / abs(i - j)
    total, smooth = counts.sum(), counts.sum(0) ** 0.75
    matrix = np.zeros((size, size))
    for word, context in np.argwhere(counts):
        joint, left, right = (
            counts[word, context] / total,
            counts[word].sum() / total,
            smooth[context] / smooth.sum(),
        )
        matrix[word, context] = max(np.log(joint / (left * right)), 0)
    return matrix


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 9))
def test_corpus_vectors_are_the_truncated_svd_of_the_ppmi(seed, window, dimension):
    random, size = np.random.default_rng(seed), 12
    sentences = [random.integers(1, size, random.integers(0, 9)).tolist() for _ in range(30)]
    vectors = corpus_vectors(corpus(sentences), size, dimension, window).double().numpy()
    left, scale, _ = np.linalg.svd(ppmi(sentences, size, window))
    expected = left[:, :dimension] * np.sqrt(scale[:dimension])
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    used = lengths[:, 0] > 0.05
    expected = expected / np.maximum(lengths, 1e-9)
    # Singular vectors are unique only up to sign. Their inner products are unique if the rank cuts
    # between two different singular values.
    if scale[dimension - 1] - scale[dimension] > 0.05:
        assert vectors[used] @ vectors[used].T == pytest.approx(
            expected[used] @ expected[used].T, abs=5e-3
        )
    assert vectors.shape == (size, dimension)
    assert np.linalg.norm(vectors[used], axis=1) == pytest.approx(1, abs=1e-5)
    assert not vectors[0].any()  # padding has no neighbours


def test_words_of_the_same_topic_are_nearer():
    random = np.random.default_rng(0)
    topics = [[f"{topic}{letter}" for letter in "abcdefgh"] for topic in ("sea", "sky")]
    documents = {
        str(number): [
            " ".join([*random.choice(topic, 6), *random.choice(["the", "of"], 2)])
            for _ in range(60)
        ]
        for number, topic in enumerate(topics)
    }
    dataset = text_dataset("name", documents, text_options())
    vectors = corpus_vectors(dataset.train, len(dataset.vocabulary), 4)
    sea, sky = (vectors[[dataset.vocabulary.index(word) for word in topic]] for topic in topics)
    between = (sea @ sky.T).max()
    assert (sea @ sea.T).min() > between and (sky @ sky.T).min() > between


def test_more_dimensions_than_words_stay_zero():
    vectors = corpus_vectors(corpus([[1, 2, 3], [2, 4, 1]]), 5, 8)
    assert vectors.shape == (5, 8)
    assert not vectors[:, 4:].any() and vectors[1:, :4].any(1).all()


def test_a_corpus_without_neighbours_has_zero_vectors():
    assert torch.equal(corpus_vectors(corpus([[1], [2], [], [3]]), 5, 3), torch.zeros(5, 3))


def test_the_same_corpus_has_the_same_vectors():
    sentences = np.random.default_rng(0).integers(1, 40, (50, 7)).tolist()
    one, two = (corpus_vectors(corpus(sentences), 40, 6) for _ in range(2))
    assert torch.equal(one, two)


def test_images_have_no_corpus():
    with pytest.raises(TypeError):
        corpus_vectors(
            Split(Images(torch.zeros(1, 3, 4, 4, dtype=torch.uint8)), torch.tensor([0, 1])), 5, 3
        )


def test_random_vectors_have_unit_expected_length():
    def drawn(seed):
        return random_vectors(2000, 50, torch.Generator().manual_seed(seed))

    assert drawn(0).shape == (2000, 50)
    assert drawn(0).square().sum(1).mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(drawn(0), drawn(0)) and not torch.equal(drawn(0), drawn(1))


def test_vectors_from_co_occurrences_do_not_depend_on_the_threads_of_numpy():
    """runtime.threads does not set these threads, and later runs read the same cached vectors."""
    draws = torch.Generator().manual_seed(0)
    words = (torch.rand(10_000, generator=draws).square() * 598).int() + 2
    train = Split(Sentences(words, torch.arange(0, 10_001, 20)), torch.tensor([0, 500]))
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            found.append(corpus_vectors(train, 600, 32))
    assert torch.equal(*found)
