"""``crl train`` on text as other people have it: encodings, forms, labelled sentences."""

import json
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from crl.cli.main import main

WORDS = {
    "more": ["loď", "přístav", "vlna", "kotva", "kapitán"],
    "les": ["strom", "liška", "houba", "kámen", "potok"],
}
TINY = ["training.steps=5", "training.batch_size=32", "evaluation.ks=[2]", "evaluation.tops=[1]",
        "evaluation.linear_steps=20", "runtime.progress=false"]  # fmt: skip
Change = Callable[[str], str]


def write(
    folder: Path, first: list[str], encoding: str = "utf-8", change: Change = lambda text: text
) -> Path:
    """Write 80 lines of two topics, each a sentence."""
    folder.mkdir()
    for topic, words in WORDS.items():
        draws, lines = random.Random(topic), dict[str, None]()
        while len(lines) < 80:
            chosen = " ".join(draws.choice(words) for _ in range(3))
            lines[f"{draws.choice(first)} {chosen} číslo {draws.randrange(99)}."] = None
        (folder / f"{topic}.txt").write_bytes(change("\n".join(lines)).encode(encoding))
    return folder


def half_decomposed(text: str) -> str:
    return "\n".join(
        unicodedata.normalize("NFD" if number % 2 else "NFC", line)
        for number, line in enumerate(text.split("\n"))
    )


def trained(run: Path, *arguments: str) -> dict[str, object]:
    assert main(["train", *arguments, *TINY, f"run_dir={run}"]) == 0
    result: dict[str, object] = json.loads((run / "result.json").read_text())
    return result


CASES: dict[str, tuple[str, Change, str]] = {
    "another encoding": ("cp1250", str, "2 of 2 files are not UTF-8; read as cp1250 (a guess"),
    "half decomposed": ("utf-8", half_decomposed, "2 documents read as one sentence a line"),
    "running text": (
        "utf-8", lambda text: text.replace("\n", " "),
        "2 documents read as running text, split into sentences",
    ),
}  # fmt: skip


FIRST = ["Černý", "Šedý", "Žlutý"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The result on the text in UTF-8 and NFC, one sentence a line."""
    place = tmp_path_factory.mktemp("plain")
    root = write(place / "text", FIRST)
    return trained(place / "run", "dataset=documents", f"dataset.root={root}")


@pytest.mark.parametrize(("encoding", "change", "note"), CASES.values(), ids=CASES.keys())
def test_the_form_of_a_text_changes_no_number(
    encoding: str,
    change: Change,
    note: str,
    expected: dict[str, object],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = write(tmp_path / "other", FIRST, encoding, change)
    found = trained(tmp_path / "run", "dataset=documents", f"dataset.root={other}")
    assert (found["dataset"], found["metrics"]) == (expected["dataset"], expected["metrics"])
    assert note in capsys.readouterr().err


def test_sentences_without_punctuation_are_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = write(tmp_path / "texts", ["ta", "ten"], change=lambda text: text.replace(".", ""))
    data = trained(tmp_path / "run", "dataset=documents", f"dataset.root={texts}")["dataset"]
    assert isinstance(data, dict) and data["train_points"] == 112
    assert "2 documents read as one sentence a line" in capsys.readouterr().err


def test_one_command_trains_on_labelled_sentences_with_their_splits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = write(tmp_path / "classes", ["Ta", "Ten"])
    data = trained(tmp_path / "run", "dataset=labelled_sentences", f"dataset.root={classes}")
    assert data["dataset"] | {"fingerprint": ""} == {  # type: ignore[operator]
        "name": "labelled_sentences", "classes": 2, "train_points": 112, "test_points": 32,
        "fingerprint": "",
    }  # fmt: skip
    lines = [
        f"{path.stem}\t{line}"
        for path in sorted(classes.iterdir())
        for line in path.read_text(encoding="utf-8").split("\n")
    ]
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "train.tsv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "table" / "test.tsv").write_text("\n".join(lines[::4]), encoding="cp1250")
    root = tmp_path / "table"
    data = trained(tmp_path / "again", "dataset=labelled_sentences", f"dataset.root={root}")
    assert data["dataset"]["test_points"] == 40  # type: ignore[index]
    said = capsys.readouterr().err
    assert "2 classes; splits of the files: train 160, test 40; dev is 10% of train" in said
    assert "1 of 2 files are not UTF-8" in said


@pytest.mark.parametrize("dataset", ["documents", "labelled_sentences", "labelled_documents"])
def test_an_encoding_that_does_not_exist_is_refused(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train/a", "train/b", "test/a", "test/b", "unsup"):
        (tmp_path / "texts" / name).mkdir(parents=True)
        (tmp_path / "texts" / name / "1.txt").write_text("One. Two.")
    for name in "ab":
        (tmp_path / "sentences").mkdir(exist_ok=True)
        (tmp_path / "sentences" / f"{name}.txt").write_text("One. Two.")
    root = tmp_path / ("texts" if dataset == "labelled_documents" else "sentences")
    options = [f"dataset.root={root}", "dataset.encoding=cp9999", *TINY]
    assert main(["train", f"dataset={dataset}", f"output_dir={tmp_path / 'o'}", *options]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("crl: dataset.encoding: there is no 'cp9999'; give one such as")
    assert not (tmp_path / "o").exists()
