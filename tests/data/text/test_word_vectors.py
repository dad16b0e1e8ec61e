"""Word vectors: files of all kinds, and co-occurrence against a dense reference."""

import numpy as np
import pytest
import torch
from dataset_defaults import text_options
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from crl.data.dataset import Split
from crl.data.errors import DataError
from crl.data.points import Images, Sentences
from crl.data.text.tokens import SPECIAL, text_dataset
from crl.data.text.word_vectors import corpus_vectors, glove_vectors, random_vectors

VOCABULARY = [*SPECIAL, "the", "cat", "sat", "new york"]


@pytest.fixture
def glove(tmp_path):
    def write(text: str | bytes) -> str:
        path = tmp_path / "glove.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_vectors_of_the_vocabulary_are_read_and_the_rest_stays_zero(glove):
    path = glove("the 1 2 3\ndog 7 7 7\ncat -0.5 1e-2 0\n<unk> 9 9 9\n")
    vectors, coverage = glove_vectors(path, VOCABULARY)
    assert vectors.dtype == torch.float32
    expected = torch.zeros(6, 3)
    expected[2], expected[3] = torch.tensor([1.0, 2, 3]), torch.tensor([-0.5, 1e-2, 0])
    assert torch.equal(vectors, expected)
    assert coverage == 2 / 4


def test_a_word_may_hold_spaces_and_the_first_of_two_vectors_counts(glove):
    vectors, coverage = glove_vectors(
        glove("the 1 2\nnew york 3 4\nthe 5 6\nat a . b 0 0\n"), VOCABULARY
    )
    assert vectors[2].tolist() == [1, 2] and vectors[5].tolist() == [3, 4]
    assert coverage == 2 / 4


def test_a_word2vec_header_is_skipped(glove):
    vectors, coverage = glove_vectors(
        glove("4 2\nthe 1 2\nnew york 3 4\ncat 5 6\nsat 7 8\n"), VOCABULARY
    )
    assert vectors[2:].tolist() == [[1, 2], [5, 6], [7, 8], [3, 4]]
    assert coverage == 1


def test_odd_bytes_and_line_ends_disturb_nothing(glove):
    vectors, _ = glove_vectors(
        glove(b"the 1 2 \r\n\xff\xfe 5 5\n\xc2\x85 5 5\n\xc2\xa0 5 5\ncat 3 4"), VOCABULARY
    )
    assert vectors[2].tolist() == [1, 2] and vectors[3].tolist() == [3, 4]


def test_numbers_of_words_that_nobody_asked_for_are_not_looked_at(glove):
    vectors, _ = glove_vectors(glove("the 1 2\ndog nan what\n"), VOCABULARY)
    assert vectors[2].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the 1 2 3\ncat 1 2\n", "{path}, line 2: expected a word and 3 numbers"),
        ("the 1 2 3\n\ncat 1 2 3\n", "{path}, line 2: expected a word and 3 numbers"),
        ("the\n", "{path}, line 1: expected a word and 1 numbers"),
        ("2 3\nthe 1 2\n", "{path}, line 2: expected a word and 3 numbers"),
        ("2 0\nthe\n", "{path}, line 2: expected a word and 1 numbers"),
        ("the 1 2\ncat 1 nan\n", "{path}, line 2: 2 finite numbers expected after the word"),
        ("the 1 inf\n", "{path}, line 1: 2 finite numbers expected after the word"),
        ("the 1 1e99\n", "{path}, line 1: 2 finite numbers expected after the word"),
        ("the 1 2\ncat 1 x\n", "{path}, line 2: 2 finite numbers expected after the word"),
        (
            "dog 1 2\n",
            "encoder.glove_path: {path} has a vector for none of the 4 words of this data set",
        ),
        ("", "encoder.glove_path: {path} has a vector for none of the 4 words of this data set"),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(glove, text, message):
    path = glove(text)
    with pytest.raises(DataError) as error:
        glove_vectors(path, VOCABULARY)
    assert str(error.value) == message.format(path=path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for path, why in (
        (tmp_path / "absent.txt", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(DataError) as error:
            glove_vectors(path, VOCABULARY)
        assert str(error.value) == f"encoder.glove_path: cannot read {path} ({why})"


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
