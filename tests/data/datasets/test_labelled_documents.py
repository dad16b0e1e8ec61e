"""Labelled and unlabelled documents, and IMDb: folders, archives, and what is refused."""

import hashlib
import io
import re
import tarfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from dataset_defaults import load as load_with_defaults
from scripted_server import serving

from crl.data.datasets import imdb
from crl.data.errors import DataError
from crl.data.files import archive
from crl.data.points import Documents, Sentences
from crl.data.text.sentences import split_sentences
from crl.data.text.tokens import UNKNOWN, tokenise


def review(role: str, label: str, number: int) -> str:
    """Three sentences, the second after a line break in markup."""
    return (
        f"{label.title()} one here number{number}.<br /><br />It is of {role}, not x{number}! "
        "So it<br />ends, at last."
    )


def tree() -> dict[str, str]:
    """Twenty reviews a class and role and thirty unlabelled ones."""
    names = {
        f"{role}/{label}/{i}_7.txt": (role, label, i)
        for role in ("train", "test")
        for label in ("pos", "neg")
        for i in range(20)
    }
    names |= {f"train/unsup/{i}_0.txt": ("unlabelled", "some", i) for i in range(30)}
    return {name: review(*of) for name, of in names.items()}


def write(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder


def pack(path: Path, texts: dict[str, str]) -> Path:
    with tarfile.open(path, f"w:{path.suffix[1:] if path.suffix != '.tar' else ''}") as packed:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            packed.addfile(member, io.BytesIO(text.encode()))
    return path


def load(root, **options):
    chosen = {"min_count": 1, **options}
    return load_with_defaults("labelled_documents", root=str(root), **chosen)


def refused(root, **options) -> str:
    with pytest.raises(DataError) as error:
        load(root, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def sentences_of(dataset, points: Sentences) -> list[tuple[str, ...]]:
    return [
        tuple(dataset.vocabulary[w] for w in points.words[a:b])
        for a, b in pairwise(points.offsets.tolist())
    ]


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "reviews", tree())


def test_labelled_documents_are_runs_of_sentences_and_unlabelled_ones_are_classes(folder):
    dataset = load(folder)
    assert dataset.classes == ["neg", "pos"]
    assert {role: split.sizes.tolist() for role, split in dataset.splits().items()} == {
        "train": [18, 18],
        "dev": [2, 2],
        "test": [20, 20],
        "unlabelled_train": [3] * 27,
        "unlabelled_dev": [3] * 3,
    }
    assert dataset.notes == [
        "similar points are drawn from the sentences of 27 unlabelled documents"
    ]
    points = dataset.test.points
    assert isinstance(points, Documents) and points.offsets.diff().tolist() == [3] * 40
    wanted = [tokenise(sentence, lowercase=True) for sentence in (
        "Neg one here number0.", "It is of test, not x0!", "So it ends, at last.",
    )]  # fmt: skip
    known = set(dataset.vocabulary)  # of the unlabelled training documents
    assert sentences_of(dataset, points.sentences)[:3] == [
        tuple(word if word in known else "<unk>" for word in sentence) for sentence in wanted
    ]


def test_no_unlabelled_document_is_in_both_splits(folder):
    for path in (folder / "train" / "unsup").iterdir():  # one more sentence of known words
        number = int(path.stem.partition("_")[0])
        path.write_text(f"{'a ' * (number % 6 + 1)}{'b ' * (number // 6 + 1)}. The end.")
    dataset = load(folder)
    found = []
    for split in (dataset.unlabelled_train, dataset.unlabelled_dev):
        sentences = sentences_of(dataset, split.points)
        found += [sentences[start] for start in split.offsets[:-1].tolist()]
        assert all(
            sentences[start + 1] == ("the", "end", ".") for start in split.offsets[:-1].tolist()
        )
    assert len(found) == len(set(found)) == 30


def test_the_vocabulary_is_that_of_unlabelled_training_documents(folder):
    dataset = load(folder)
    used = {dataset.vocabulary[i] for i in dataset.unlabelled_train.points.words.unique().tolist()}
    assert used == set(dataset.vocabulary[2:])
    assert not {"pos", "neg", "train", "test"} & used
    assert UNKNOWN in dataset.train.points.sentences.words


def test_a_whole_review_is_one_long_sentence(folder):
    dataset = load(folder, review="whole", max_review_words=12, max_words=4)
    for role in ("train", "dev", "test"):
        points = getattr(dataset, role).points
        assert isinstance(points, Sentences) and points.offsets.diff().unique().tolist() == [12]
    words = sentences_of(dataset, dataset.test.points)[0]
    assert words[1:4] == ("one", "here", "number") and words[6:9] == ("it", "is", "of")
    assert (
        int(dataset.unlabelled_train.points.offsets.diff().max()) == 4
    )  # the points of these are sentences


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz"])
@pytest.mark.parametrize("prefix", ["", "./", "reviews/", "./reviews/"])
def test_an_archive_is_its_folder(folder, tmp_path, kind, prefix):
    files = {f"{prefix}{name}": text for name, text in reversed(tree().items())}
    files |= {
        f"{prefix}train/urls_pos.txt": "no review",
        f"{prefix}README": "none",
        f"{prefix}train/pos/._1.txt": "\0",
    }
    files |= {
        f"../{prefix}train/pos/outside.txt": "Odd.",
        "/train/pos/absolute.txt": "Odd.",
        "a/b/train/neg/deep.txt": "Odd.",
    }
    packed = pack(tmp_path / f"any.{kind}", files)
    before = sorted(tmp_path.rglob("*"))
    assert load(packed).fingerprint() == load(folder).fingerprint()
    assert sorted(tmp_path.rglob("*")) == before  # nothing is unpacked


def test_hidden_files_and_files_elsewhere_do_not_count(folder):
    before = load(folder).fingerprint()
    write(
        folder,
        {
            "train/urls_pos.txt": "x",
            "train/pos/.a.txt": "x",
            "train/.x/a.txt": "x",
            "imdb.vocab": "x",
        },
    )
    (folder / "train/pos/.#a.txt").symlink_to("nobody@nowhere")
    assert load(folder).fingerprint() == before


@pytest.mark.parametrize("packed", [False, True])
def test_the_ending_may_be_in_capitals_and_other_endings_are_named(folder, tmp_path, packed):
    before = load(folder)
    assert not [note for note in before.notes if "passed over" in note]
    texts = {name.replace("_7.txt", "_7.TXT"): text for name, text in tree().items()}
    others = {"train/pos/a.md": "x", "unsup/b.html": "x", "test/neg/more/c.txt": "x", "d.md": "x"}
    files = {**texts, **others}
    root = pack(tmp_path / "any.tar", files) if packed else write(tmp_path / "any", files)
    dataset = load(root)
    assert dataset.notes[0] == "passed over, no .txt file: 3 (no ending 1, .md 1, .html 1)"
    assert dataset.fingerprint() == before.fingerprint()


@pytest.mark.parametrize("place", ["unsup", "unlabelled", "train/unlabelled"])
def test_unlabelled_documents_may_lie_elsewhere(folder, tmp_path, place):
    before = load(folder).fingerprint()
    (folder / "train/unsup").rename(tmp_path / "moved")
    (tmp_path / "moved").rename(folder / place)
    assert load(folder).fingerprint() == before


@pytest.mark.parametrize("markup", ["<br />", "<br>", "<BR/>", "\n", "\r\n"])
def test_a_break_in_markup_is_a_line_break(folder, tmp_path, markup):
    other = write(
        tmp_path / "other", {name: text.replace("<br />", markup) for name, text in tree().items()}
    )
    assert load(other).fingerprint() == load(folder).fingerprint()


def test_short_unlabelled_documents_are_dropped_and_counted(folder):
    write(folder, {"train/unsup/short.txt": "Only one sentence.", "train/unsup/none.txt": " \n"})
    dataset = load(folder)
    assert dataset.notes[1] == "2 unlabelled documents with fewer than 2 sentences dropped"
    assert (
        dataset.unlabelled_train.sizes.tolist() + dataset.unlabelled_dev.sizes.tolist() == [3] * 30
    )
    assert (
        load(folder, min_sentences=1).notes[1]
        == "1 unlabelled documents with fewer than 1 sentences dropped"
    )


def test_a_cached_data_set_is_not_read_again(folder, monkeypatch):
    first = load(folder)
    monkeypatch.setattr("crl.data.datasets.labelled_documents.read_bytes", None)
    assert load(folder).fingerprint() == first.fingerprint()


@pytest.mark.parametrize(
    "options",
    [
        {"split_seed": 1},
        {"max_words": 3},
        {"dev_fraction": 0.2},
        {"min_count": 5},
        {"review": "whole"},
        {"lowercase": False},
        {"review": "whole", "max_review_words": 5},
    ],
)
def test_every_option_makes_other_data(folder, options):
    others = [load(folder).fingerprint()] + [load(folder, review="whole").fingerprint()] * (
        "max_review_words" in options
    )
    assert load(folder, **options).fingerprint() not in others


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("train/(pos|neg)", "holds no train documents; "),
        ("test/", "holds no test documents; "),
        (".*unsup", "holds no unlabelled documents; "),
        (".*", "holds no train and no test and no unlabelled documents; "),
        ("train/pos", "class 'pos' has documents in test but none in train; give it some in both"),
        ("test/neg", "class 'neg' has documents in train but none in test; give it some in both"),
    ],
)
def test_missing_folders_are_named(tmp_path, gone, message, packed):
    texts = {name: text for name, text in tree().items() if not re.match(gone, name)}
    (tmp_path / "place").mkdir()
    source = pack(tmp_path / "any.tar", texts) if packed else write(tmp_path / "place", texts)
    found = refused(source)
    assert str(source) in found and message in found
    assert ("train/unsup/*.txt" in found) == ("class" not in message)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["val", "Dev", "training"])
def test_a_split_that_would_be_passed_over_is_refused(tmp_path, name, packed):
    texts = tree() | {f"{name}/pos/1.txt": review("dev", "pos", 1)}
    root = pack(tmp_path / "x.tar.gz", texts) if packed else write(tmp_path / "x", texts)
    assert f"holds {name}, which looks like a split" in refused(root)


def test_one_class_is_refused(tmp_path):
    texts = {name: text for name, text in tree().items() if "neg" not in name}
    assert refused(write(tmp_path / "one", texts)) == (
        "dataset labelled_documents: 1 usable class(es); at least 2 are needed"
    )


@pytest.mark.parametrize("mode", ["mean", "whole"])
@pytest.mark.parametrize("text", ["", " \n", "<br />"])
def test_an_empty_labelled_document_is_named(folder, text, mode):
    write(folder, {"test/neg/empty.txt": text})
    assert (
        refused(folder, review=mode)
        == f"{folder}: test/neg/empty.txt is empty; remove it or give it text"
    )


def test_too_few_unlabelled_documents_are_refused(folder):
    assert refused(folder, dev_fraction=0.04) == (
        f"{folder}: 30 unlabelled documents with at least 2 sentences, of which 1 are dev; "
        "at least 2 in dev and 2 in train are needed (dataset.dev_fraction)"
    )
    assert refused(folder, min_sentences=4).startswith(
        f"{folder}: 0 unlabelled documents with at least 4 sentences"
    )


def test_a_bad_root_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"^dataset.root: missing; give a folder or archive with train/<class>/"
    ):
        load_with_defaults("labelled_documents", root=None)
    absent = tmp_path / "absent"
    assert refused(absent).startswith(
        f"dataset.root: {absent} does not exist; give a folder or archive with train/<class>/*.txt"
    )
    (tmp_path / "any.tar.gz").write_text("no archive")
    assert refused(tmp_path / "any.tar.gz").startswith(
        f"{tmp_path}/any.tar.gz is not a readable tar archive ("
    )


def test_a_damaged_archive_is_refused(tmp_path):
    whole = pack(tmp_path / "aclImdb_v1.tar.gz", tree()).read_bytes()
    for at in range(60, len(whole), len(whole) // 7):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]):
            (tmp_path / "aclImdb_v1.tar.gz").write_bytes(damaged)
            with pytest.raises(DataError) as error:
                load_with_defaults("imdb", root=str(tmp_path))
            assert re.fullmatch(
                rf"{tmp_path}/aclImdb_v1.tar.gz is not a readable tar archive \(.+\); "
                "give aclImdb_v1.tar.gz or its folder",
                str(error.value),
            )


@pytest.mark.parametrize(("limit", "size"), [("_LARGEST_FILE", 50), ("_LARGEST_ARCHIVE", 2000)])
def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch, limit, size):
    monkeypatch.setattr(archive, limit, size)
    message = refused(pack(tmp_path / "any.tar", tree()))
    assert (
        message
        == f"{tmp_path}/any.tar unpacks to more than an archive of such documents can; refused"
    )


@pytest.mark.parametrize(
    "name", ["aclImdb", "aclImdb_v1.tar.gz", "aclImdb_v1.tar", "aclImdb.tar.xz", "itself"]
)
def test_imdb_is_found_under_its_own_names(folder, tmp_path, monkeypatch, name):
    wanted = load_with_defaults("imdb", root=str(folder), min_count=1)
    assert wanted.name == "imdb" and wanted.classes == ["neg", "pos"]
    home = tmp_path / "home"
    home.mkdir()
    if name == "aclImdb":
        folder.rename(home / name)
    elif name != "itself":
        pack(home / name, {f"aclImdb/{place}": text for place, text in tree().items()})
    root = pack(home / "mine.tar.gz", tree()) if name == "itself" else home
    assert (
        load_with_defaults("imdb", root=str(root), min_count=1).fingerprint()
        == wanted.fingerprint()
    )
    if name != "itself":
        monkeypatch.setenv("CRL_DATA", str(home))
        assert (
            load_with_defaults("imdb", root=None, min_count=1).fingerprint() == wanted.fingerprint()
        )


def test_imdb_is_downloaded_once_and_its_sha256_compared(tmp_path, monkeypatch):
    body = pack(
        tmp_path / "any.tar.gz", {f"aclImdb/{name}": text for name, text in tree().items()}
    ).read_bytes()
    monkeypatch.setenv("CRL_DATA", str(tmp_path / "home"))
    with serving(body) as server:
        monkeypatch.setattr(imdb, "SOURCE", replace(imdb.SOURCE, url=server.url, size=len(body)))
        with pytest.raises(
            DataError,
            match=r"^IMDb cannot be downloaded \(.*sha256.*\); set dataset.root to a copy of it$",
        ):
            load_with_defaults("imdb", root=None)
        assert not list((tmp_path / "home").glob("*aclImdb*gz"))
        monkeypatch.setattr(
            imdb, "SOURCE", replace(imdb.SOURCE, sha256=hashlib.sha256(body).hexdigest())
        )
        first = load_with_defaults("imdb", root=None)
    assert (
        load_with_defaults("imdb", root=None).fingerprint() == first.fingerprint()
        and first.name == "imdb"
    )
    assert server.asked == [None, None]


def test_real_reviews(some_reviews):
    dataset = load_with_defaults("imdb", root=str(some_reviews))
    assert dataset.classes == ["neg", "pos"]
    sizes = {role: split.sizes.tolist() for role, split in dataset.splits().items()}
    count = {
        label: len(list((some_reviews / "aclImdb/test" / label).iterdir()))
        for label in dataset.classes
    }
    assert sizes["test"] == [count["neg"], count["pos"]]
    # Against a slow reader of one file.
    first = sorted((some_reviews / "aclImdb/test/neg").iterdir(), key=lambda path: path.name)[0]
    text = first.read_text().replace("<br />", "\n")
    wanted = [tokenise(sentence, lowercase=True)[:50] for sentence in split_sentences(text)]
    found = sentences_of(dataset, dataset.test.points.select(dataset.test.offsets[:1]).sentences)
    known = set(dataset.vocabulary)
    assert found == [
        tuple(word if word in known else "<unk>" for word in sentence) for sentence in wanted
    ]
    assert (
        min(sizes["unlabelled_train"]) >= 2
        and 8 < sum(sizes["unlabelled_train"]) / len(sizes["unlabelled_train"]) < 16
    )
    lengths = dataset.unlabelled_train.points.offsets.diff()
    assert 15 < lengths.double().mean() < 30 and "br" not in dataset.vocabulary


@pytest.mark.parametrize("packed", [False, True])
def test_reviews_in_another_encoding_are_the_same_reviews(tmp_path, packed):
    texts = {name: text.replace("It", "Příliš žluťoučký kůň. It") for name, text in tree().items()}
    whole = load(write(tmp_path / "utf8", texts))
    other = tmp_path / "cp1250"
    for name, text in texts.items():
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(text, encoding="cp1250")
    if packed:
        with tarfile.open(tmp_path / "any.tar", "w") as archive:
            archive.add(other, "reviews")
        other = tmp_path / "any.tar"
    found = load(other)
    assert found.fingerprint() == whole.fingerprint() and "žluťoučký" in found.vocabulary
    assert found.notes[0] == (
        f"{len(texts)} of {len(texts)} files are not UTF-8; read as cp1250 "
        "(a guess; dataset.encoding=NAME corrects it)"
    )
    assert load(other, encoding="cp1250").notes == whole.notes
