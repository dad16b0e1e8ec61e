"""Files of word vectors: every usual format is read, and what is odd is said or named."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from crl.data.errors import DataError
from crl.data.text.tokens import SPECIAL
from crl.data.text.vector_files import FileVectors, glove_vectors

VOCABULARY = [*SPECIAL, "the", "cat", "sat", "new york", "ž"]
Write = Callable[[str | bytes], str]


@pytest.fixture
def glove(tmp_path: Path) -> Write:
    def write(text: str | bytes) -> str:
        path = tmp_path / "glove.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def vectors_of(read: FileVectors) -> dict[str, list[float]]:
    """The vectors of the words that have one; the others must be zeros."""
    assert not read.vectors[~read.found].any()
    indices = read.found.nonzero()[:, 0].tolist()
    return {VOCABULARY[index]: read.vectors[index].tolist() for index in indices}


def test_vectors_of_the_vocabulary_are_read_and_the_rest_stays_zero(glove: Write) -> None:
    read = glove_vectors(glove("the 1 2 3\ndog 7 7 7\ncat -0.5 1e-2 0\n<unk> 9 9 9\n"), VOCABULARY)
    assert read.vectors.dtype == torch.float32 and read.vectors.shape == (7, 3)
    assert vectors_of(read) == {
        "the": [1, 2, 3],
        "cat": [-0.5, pytest.approx(1e-2), 0],
    }
    assert read.notes == []


FORMATS: dict[str, str | bytes] = {
    "plain": "the 1 2\ncat 3 4\n",
    "no end of the last line": "the 1 2\ncat 3 4",
    "a header": "2 2\nthe 1 2\ncat 3 4\n",
    "a byte-order mark": "\ufeffthe 1 2\ncat 3 4\n",
    "a byte-order mark and a header": "\ufeff2 2\nthe 1 2\ncat 3 4\n",
    "tabs": "2\t2\nthe\t1\t2\ncat\t3\t4\n",
    "a tab after the word": "the\t1 2\ncat\t3 4\n",
    "several spaces": "the  1  2\n cat 3 4  \n",
    "fastText's spaces at the end": "2 2\nthe 1 2 \ncat 3 4 \n",
    "line ends of Windows": "2 2\r\nthe 1 2\r\ncat 3 4\r\n",
    "blank lines": "\n2 2\nthe 1 2\n\ncat 3 4\n\n",
    "gzip": gzip.compress(b"2 2\nthe 1 2\ncat 3 4\n"),
    "words of other alphabets": b"the 1 2\n\xc2\x85 5 5\n\xc2\xa0 5 5\ncat 3 4",
    "a word of a number": "7 0 0\nthe 1 2\ncat 3 4\n",
    "a word that is no comment": "# 0 0\nthe 1 2\ncat 3 4\n",
    "no word": "the 1 2\n 5 5\ncat 3 4\n",
    "words with spaces": "the 1 2\nat name . 5 5\ncat 3 4\n",
    "numbers that nobody asked for": "the 1 2\ndog nan what\ncat 3 4\n",
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_usual_format_is_read_without_a_word(kind: str, glove: Write) -> None:
    read = glove_vectors(glove(FORMATS[kind]), VOCABULARY)
    assert vectors_of(read) == {"the": [1, 2], "cat": [3, 4]}
    assert read.notes == []


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("# mine\n#\nthe 1 2\ncat 3 4\n", "lines left out as comments before the vectors: 2"),
        ("3 2\nthe 1 2\ncat 3 4\n", "its first line announces 3 words, but it has 2"),
        ("the 1 2\ncat 3 4\nthe 5 6\n", "words with several vectors: 1 (the first counts)"),
        (
            b"the 1 2\ncat 3 4\n\x9e 5 6\n",
            "1 of its 3 words are not UTF-8 and are left out; the first is in line 3",
        ),
        (
            "the 1 2\ncat 3 4\nSat 5 6\nThe 7 8\n",
            "words that have a vector in another case alone: 1 (such as 'Sat'; see "
            "dataset.lowercase)",
        ),
    ],
)
def test_what_is_read_differently_is_said(text: str | bytes, note: str, glove: Write) -> None:
    path = glove(text)
    read = glove_vectors(path, VOCABULARY)
    assert vectors_of(read) == {"the": [1, 2], "cat": [3, 4]}
    assert read.notes == [f"{path}: {note}"]


def test_a_word_may_hold_spaces_and_combining_marks(glove: Write) -> None:
    read = glove_vectors(glove("the 1 2\nnew york 3 4\nz\u030c 5 6\n"), VOCABULARY)
    assert vectors_of(read) == {"the": [1, 2], "new york": [3, 4], "ž": [5, 6]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "the 1 2 3\ncat 1 2\n",
            "{path}, line 2: expected a word and 3 numbers, but got 'cat 1 2'",
        ),
        (
            "the 1 2\ncat 1 2 3\n",
            "{path}, line 2: expected a word and 2 numbers, but there are 3 numbers",
        ),
        ("the\n", "{path}, line 1: expected a word and its numbers, but got 'the'"),
        ("// mine\nthe 1\n", "{path}, line 1: expected a word and its numbers, but got '// mine'"),
        ("the 1 2\n# mine\n", "{path}, line 2: expected a word and 2 numbers, but got '# mine'"),
        ("2 3\nthe 1 2\n", "{path}, line 2: expected a word and 3 numbers, but got 'the 1 2'"),
        ("2 9999\nthe 1 2\n", "{path}, line 1: 9999 numbers a word; at most 8192 are read"),
        ("the 1 2\ncat 1 nan\n", "{path}, line 2: 2 finite numbers expected after the word"),
        ("the 1 inf\n", "{path}, line 1: 2 finite numbers expected after the word"),
        ("the 1 1e99\n", "{path}, line 1: 2 finite numbers expected after the word"),
        ("the 1 2\ncat 1 x\n", "{path}, line 2: 2 finite numbers expected after the word"),
        (
            b"2 2\nthe \0\0\x80\x3f\n",
            "{path}, line 2: this is no text; save the vectors as UTF-8 text (word2vec's binary "
            "format is not read)",
        ),
        (
            "dog 1 2\n",
            "encoder.glove_path: {path} has a vector for none of the 5 words of this data set; "
            "its first word is 'dog'",
        ),
        ("", "encoder.glove_path: {path} is empty: it has no word"),
        ("2 2\n\n", "encoder.glove_path: {path} is empty: it has no word"),
        ("the 1 2\n".encode("utf-16"), "encoder.glove_path: {path} is UTF-16; save it as UTF-8"),
        (
            b"PK\x03\x04rest",
            "encoder.glove_path: {path} is a zip archive; unpack it and give the text file in it",
        ),
        (
            gzip.compress(b"the 1 2\n")[:-9],
            "{path}: its gzip archive is cut off or damaged after line 1; get it again",
        ),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(
    text: str | bytes, message: str, glove: Write
) -> None:
    path = glove(text)
    with pytest.raises(DataError) as error:
        glove_vectors(path, VOCABULARY)
    assert str(error.value) == message.format(path=path)


def test_words_in_another_case_alone_are_named(glove: Write) -> None:
    with pytest.raises(
        DataError, match=r"none of the 5 words.*in another case alone: 2 .such as 'THE'"
    ):
        glove_vectors(glove("THE 1 2\nCAT 3 4\n"), VOCABULARY)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, why in (
        (tmp_path / "absent.txt", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(DataError) as error:
            glove_vectors(path, VOCABULARY)
        assert str(error.value) == f"encoder.glove_path: cannot read {path} ({why})"
