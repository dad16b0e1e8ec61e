"""Word ids against a slow reference; vocabularies of the training split alone."""

import string
import unicodedata
from collections import Counter
from itertools import pairwise

import pytest
import torch
from dataset_defaults import text_options
from hypothesis import example, given
from hypothesis import strategies as st

import crl.data.text.tokens
from crl.data.dataset import Dataset, Split
from crl.data.errors import DataError
from crl.data.points import Images
from crl.data.text.tokens import (
    PADDING,
    SPECIAL,
    UNKNOWN,
    encode,
    replace_vocabulary,
    text_dataset,
    tokenise,
)

ODD = [
    "",
    " ",
    "\n",
    "a\nb",
    "\x1c\x85 \u2028",
    "İstanbul",
    "ΟΔΟΣ Σ",
    "naïve e\u0301",
    "\ufeff\u200b",
    "日本語",
    "𝒜²½",
]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, World!", ["hello", ",", "world", "!"]),
        ("don't", ["don't"]),
        ("don’t o'clock's", ["don’t", "o'clock", "'", "s"]),
        ("'quoted'", ["'", "quoted", "'"]),
        ("in 1984, 3.5%", ["in", "1984", ",", "3", ".", "5", "%"]),
        ("x86 b2b", ["x", "86", "b", "2", "b"]),
        ("snake_case", ["snake", "_", "case"]),
        ("well-known ...", ["well", "-", "known", ".", ".", "."]),
        ("'''bold''' &nbsp;", ["'", "'", "'", "bold", "'", "'", "'", "&", "nbsp", ";"]),
        ("Übung Жук 東京", ["übung", "жук", "東", "京"]),
        ("a\nb\t\u00a0c", ["a", "\n", "b", "c"]),
        ("हिन्दी में लिखा है।", ["हिन्दी", "में", "लिखा", "है", "।"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("مُحَمَّدٌ رَسُولُ", ["مُحَمَّدٌ", "رَسُولُ"]),
        ("שָׁלוֹם עוֹלָם", ["שָׁלוֹם", "עוֹלָם"]),
        ("ที่ ภาษาไทย", ["ที่", "ภาษาไทย"]),
        ("می\u200cخواهم رفت", ["می\u200cخواهم", "رفت"]),
        ("ਪੰਜਾਬੀ ខ្មែរ မြန်မာ", ["ਪੰਜਾਬੀ", "ខ្មែរ", "မြန်မာ"]),
        ("m\u0303o l'e\u0301te\u0301", ["m\u0303o", "l'été"]),
        ("İ 1\u0301", ["i\u0307", "1", "\u0301"]),
        ("", []),
        (" \t ", []),
    ],
)
def test_tokens(text, tokens):
    assert tokenise(text, lowercase=True) == tokens


@given(st.text() | st.text("aAeéÉİ\u0301\u0307हि가ᄀ ᅡ"))
def test_both_forms_of_an_accented_letter_are_the_same_word(text):
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    assert tokenise(forms[0], True) == tokenise(forms[1], True)


def test_case_is_kept_on_request():
    assert tokenise("The US", lowercase=False) == ["The", "US"]


@given(st.text())
def test_tokens_hold_every_character_but_white_space(text):
    assert "".join(tokenise(text, lowercase=False)) == "".join(
        c for c in unicodedata.normalize("NFC", text) if c == "\n" or not c.isspace()
    )


class Growing(dict[str, int]):
    """Ids by first appearance; the line break has 0."""

    def __init__(self) -> None:
        super().__init__({"\n": 0})

    def __missing__(self, word: str) -> int:
        return self.setdefault(word, len(self))


@given(
    st.lists(st.text(max_size=20) | st.sampled_from(ODD), max_size=6),
    st.booleans(),
    st.integers(1, 5),
)
@example(ODD, True, 50)
@example([], True, 50)
def test_encode_is_one_sentence_at_a_time_looked_up_and_cut(sentences, lowercase, max_words):
    ids, growing = Growing(), Growing()
    whole = [
        [ids[t] for t in tokenise(" ".join(sentence.split()), lowercase)] for sentence in sentences
    ]
    expected = [words[:max_words] for words in whole]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crl.data.text.tokens, "_CHUNK", 2)  # several chunks
        points = encode(sentences, growing, text_options(lowercase=lowercase, max_words=max_words))
    assert growing == ids
    assert points.words.tolist() == [word for words in expected for word in words]
    assert points.offsets.diff().tolist() == [len(words) for words in expected]
    assert (points.words.dtype, points.offsets.dtype) == (torch.int32, torch.int64)


def documents(classes: int = 3, sentences: int = 20) -> dict[str, list[str]]:
    """Every sentence holds "The", its document's name and two words that no other sentence has."""
    own = [x + y for x in string.ascii_lowercase for y in string.ascii_lowercase][:sentences]
    names = ["doc" + letter for letter in string.ascii_lowercase[:classes]]
    return {
        name: [f"The {name} {name}first{word} {name}second{word}" for word in own] for name in names
    }


def texts(dataset: Dataset, role: str) -> list[list[str]]:
    """The words of every sentence of a split."""
    points = getattr(dataset, role).points
    return [[dataset.vocabulary[i] for i in points.words[a:b]] for a, b in pairwise(points.offsets)]


@pytest.mark.parametrize(("size", "cut"), [(200, [140, 20, 40]), (10, [7, 1, 2]), (20, [14, 2, 4])])
def test_every_class_is_cut_70_10_20(size, cut):
    dataset = text_dataset("name", documents(sentences=size), text_options())
    assert [
        dataset.train.sizes.tolist(),
        dataset.dev.sizes.tolist(),
        dataset.test.sizes.tolist(),
    ] == [[n] * 3 for n in cut]


def test_every_sentence_lands_in_one_split_under_its_own_class():
    source = documents()
    dataset = text_dataset("name", dict(reversed(source.items())), text_options(min_count=1))
    assert dataset.classes == sorted(source)
    found = Counter()
    for role in ("train", "dev", "test"):
        for words, label in zip(
            texts(dataset, role), getattr(dataset, role).labels.tolist(), strict=True
        ):
            assert words[:1] == ["the"]
            assert words[1] == dataset.classes[label]
            found[label] += 1
    assert found == {0: 20, 1: 20, 2: 20}
    trained = {tuple(words) for words in texts(dataset, "train")}
    assert len(trained) == 42 and trained <= {
        tuple(s.lower().split()) for c in source.values() for s in c
    }


def test_the_vocabulary_has_seen_the_training_split_only():
    dataset = text_dataset("name", documents(), text_options(min_count=1))
    trained = Counter(word for words in texts(dataset, "train") for word in words)
    assert "<unk>" not in trained
    assert dataset.vocabulary == SPECIAL + sorted(trained, key=lambda w: (-trained[w], w))
    for role in ("dev", "test"):  # words that are in no other split
        assert {tuple(words[2:]) for words in texts(dataset, role)} == {("<unk>", "<unk>")}


def test_a_rare_word_is_unknown():
    dataset = text_dataset("name", documents(classes=2), text_options(min_count=14))
    assert dataset.vocabulary == [*SPECIAL, "the", "doca", "docb"]
    assert text_dataset("name", documents(classes=2), text_options(min_count=15)).vocabulary == [
        *SPECIAL,
        "the",
    ]
    with pytest.raises(
        DataError, match=r"^no word occurs 29 times in the training split; lower dataset.min_count$"
    ):
        text_dataset("name", documents(classes=2), text_options(min_count=29))


def test_words_behind_the_longest_kept_do_not_count():
    dataset = text_dataset("name", documents(), text_options(max_words=2, min_count=1))
    assert dataset.vocabulary == [*SPECIAL, "the", "doca", "docb", "docc"]
    assert dataset.train.points.offsets.diff().unique().tolist() == [2]


def test_lower_case_is_an_option():
    kept = text_dataset("name", documents(), text_options(lowercase=False)).vocabulary
    assert "The" in kept and "the" not in kept


def test_no_sentence_holds_the_padding():
    dataset = text_dataset("name", documents(), text_options())
    for role in ("train", "dev", "test"):
        words = getattr(dataset, role).points.words
        assert int(words.min()) > PADDING and int(words.max()) < len(dataset.vocabulary)


def test_the_split_seed_alone_decides():
    def made(**options):
        return text_dataset("name", documents(), text_options(min_count=1, **options)).fingerprint()

    assert made() == made(split_seed=0)
    assert len({made(split_seed=seed) for seed in range(4)}) == 4


def test_shares_are_options():
    dataset = text_dataset("name", documents(), text_options(dev_fraction=0.25, test_fraction=0.5))
    assert (dataset.train.sizes[0], dataset.dev.sizes[0], dataset.test.sizes[0]) == (5, 5, 10)


def test_a_class_that_is_too_small_for_three_splits_is_refused():
    with pytest.raises(
        DataError, match=r"^dataset name: class 'small' has no dev point; give it more points$"
    ):
        text_dataset("name", {**documents(), "small": ["a b c", "a b d"]}, text_options())


def test_in_words_of_another_vocabulary():
    dataset = text_dataset("name", documents(), text_options(min_count=1))
    other = [*SPECIAL, "docb", "unseen", "the"]
    moved = replace_vocabulary(dataset, other)
    assert moved.vocabulary == other
    for role in ("train", "dev", "test"):
        expected = [
            [word if word in other else SPECIAL[UNKNOWN] for word in words]
            for words in texts(dataset, role)
        ]
        assert texts(moved, role) == expected
        assert torch.equal(getattr(moved, role).offsets, getattr(dataset, role).offsets)
    assert replace_vocabulary(dataset, dataset.vocabulary).fingerprint() == dataset.fingerprint()


def test_images_have_no_words():
    images = Split(Images(torch.zeros(2, 3, 4, 4, dtype=torch.uint8)), torch.tensor([0, 1, 2]))
    with pytest.raises(TypeError):
        replace_vocabulary(
            Dataset("name", ["a", "b"], images, images, images, vocabulary=SPECIAL), SPECIAL
        )
