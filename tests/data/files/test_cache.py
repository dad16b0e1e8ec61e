"""Prepared data: made once, by one process, written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from crl.data.dataset import Dataset, Split, cached_dataset
from crl.data.errors import DataError
from crl.data.files.atomic import save_tensors
from crl.data.files.cache import cached, data_home, existing_root, find, stamps
from crl.data.points import Documents, Images, Sentences, Vectors

REPOSITORY = Path(__file__).resolve().parents[3]
VALUE = {
    "tensor": torch.arange(5),
    "several": (torch.zeros(2), torch.ones(1)),
    "words": ["a", "é"],
    "none": None,
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CRL_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


def equal(one, other):
    return str(one) == str(other) and torch.equal(one["tensor"], other["tensor"])


def never():
    raise AssertionError("made again")


def files(home):
    """The files in the cache apart from locks."""
    return sorted(path.name for path in (home / "prepared").iterdir() if path.suffix != ".lock")


def test_home_is_the_variable_or_the_platforms_place(home, monkeypatch):
    assert data_home() == home
    monkeypatch.setenv("CRL_DATA", "~/somewhere")
    assert data_home() == Path.home() / "somewhere"
    for absent in (
        lambda: monkeypatch.setenv("CRL_DATA", ""),
        lambda: monkeypatch.delenv("CRL_DATA"),
    ):
        absent()
        assert data_home().is_absolute() and data_home().name == "crl"


def test_find(home, tmp_path):
    (tmp_path / "root" / "two").mkdir(parents=True)
    root = str(tmp_path / "root")
    assert find(root, "one", "two") == tmp_path / "root" / "two"
    assert find(root, "one") is None and find(None, "one") is None
    (tmp_path / "root" / "one").touch()
    assert find(root, "one", "two") == tmp_path / "root" / "one"
    (home / "two").mkdir(parents=True)
    assert find(None, "one", "two") == home / "two"
    absent = str(tmp_path / "absent")
    with pytest.raises(DataError) as error:
        find(absent, "one")
    assert (
        str(error.value) == f"dataset.root: {absent} does not exist; give the folder that holds one"
    )


def test_an_existing_root(tmp_path):
    assert existing_root(str(tmp_path), "a folder") == tmp_path
    absent = str(tmp_path / "absent")
    too_long = str(tmp_path / ("x" * 1000))
    for root, why in (
        (None, "missing"),
        (absent, f"{absent} does not exist"),
        (too_long, f"{too_long} does not exist"),
    ):
        with pytest.raises(DataError) as error:
            existing_root(root, "a folder")
        assert str(error.value) == f"dataset.root: {why}; give a folder"


def test_stamps_change_with_place_size_and_time(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        path.write_text("text")
        os.utime(path, ns=(10, 10))
    before = stamps([one, two])
    assert before == stamps([one, two]) != stamps([two, one])
    os.utime(one, ns=(10, 20))
    assert stamps([one]) != before[:1] and stamps([two]) == before[1:]
    two.write_text("longer")
    os.utime(two, ns=(10, 10))
    assert stamps([two]) != before[1:]


def test_a_value_is_made_once_and_comes_back_the_same(home):
    first = cached("name", {"a": 1, "b": [2]}, lambda: VALUE)
    again = cached("name", {"b": [2], "a": 1}, never)
    assert equal(first, VALUE) and equal(again, VALUE)
    assert len(files(home)) == 1


def test_another_name_or_key_is_another_value(home):
    for number, (name, key) in enumerate(
        [("x", {"a": 1}), ("y", {"a": 1}), ("x", {"a": 2}), ("x", {"a": "1"})]
    ):
        assert cached(name, key, lambda number=number: {"number": number}) == {"number": number}
    assert len(files(home)) == 4


def test_nothing_is_left_where_making_fails(home):
    for error in (ValueError("no"), KeyboardInterrupt(), DataError("bad data")):
        with pytest.raises(type(error)):
            cached("name", {}, lambda error=error: (_ for _ in ()).throw(error))
        assert files(home) == []
    assert equal(cached("name", {}, lambda: VALUE), VALUE)  # the lock was released


def test_nothing_is_left_where_writing_fails(home):
    with pytest.raises(Exception, match="pickle"):
        cached("name", {}, lambda: {"function": lambda: None})
    assert files(home) == []


@pytest.mark.parametrize(
    "damage", [lambda body: body[: len(body) // 2], lambda body: b"", lambda body: b"x" * 999]
)
def test_a_damaged_file_is_named(home, damage):
    cached("name", {}, lambda: VALUE)
    (path,) = (home / "prepared").glob("*.pt")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as error:
        cached("name", {}, never)
    assert str(error.value).startswith(f"cache {path} is damaged (")
    assert str(error.value).endswith("); delete it and start again")
    path.unlink()
    assert equal(cached("name", {}, lambda: VALUE), VALUE)


class Evil:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


def test_a_forged_file_runs_nothing(home, tmp_path):
    cached("name", {}, lambda: VALUE)
    (path,) = (home / "prepared").glob("*.pt")
    torch.save({"evil": Evil(tmp_path / "canary")}, path)
    with pytest.raises(DataError, match="is damaged"):
        cached("name", {}, never)
    save_tensors(path, {"evil": Evil(tmp_path / "canary")})  # with a checksum
    with pytest.raises(DataError, match="is damaged"):
        cached("name", {}, never)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("taken", ["home", "home/prepared"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path, taken):
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("a file where the folder should be")
    with pytest.raises(DataError) as error:
        cached("name", {}, never)
    assert str(error.value).startswith(f"cache {tmp_path}/home/prepared: ")
    assert str(error.value).endswith("; set CRL_DATA to a writable folder")
    assert "\n" not in str(error.value)


PROCESS = """
import sys, time
from pathlib import Path
import torch
from crl.data.files.cache import cached

folder, me = Path(sys.argv[1]), sys.argv[2]
(folder / f"ready-{me}").touch()
for _ in range(1000):  # both at once
    if len(list(folder.glob("ready-*"))) == 2:
        break
    time.sleep(0.05)

def make():
    with (folder / "made").open("a") as stream:
        stream.write(me)
    time.sleep(0.5)
    return {"by": me, "tensor": torch.arange(100_000)}

value = cached("name", {}, make)
assert value["tensor"].sum() == 4999950000
print(value["by"])
"""


def test_two_processes_at_once_make_it_once(home, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path), me],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in "AB"
    ]
    answers = [process.communicate(timeout=100)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    made = (tmp_path / "made").read_text()
    assert made in ("A", "B") and answers == [made, made]
    assert len(list(tmp_path.glob("ready-*"))) == 2 and len(files(home)) == 1


def test_data_sets_come_back_as_they_were_made():
    offsets = torch.tensor([0, 1, 3])
    pixels = torch.randint(256, (3, 3, 4, 4), dtype=torch.uint8)
    images = Split(Images(pixels), offsets)
    text = Split(
        Sentences(torch.tensor([2, 3, 2, 2], dtype=torch.int32), torch.tensor([0, 2, 2, 4])),
        offsets,
    )
    vectors = Split(Vectors(torch.rand(3, 2)), offsets, torch.tensor([0.25, 0.75]).double())
    documents = Split(Documents(text.points, torch.tensor([0, 2, 3])), torch.tensor([0, 1, 2]))
    for split, vocabulary in (
        (images, None),
        (vectors, []),
        (text, ["<pad>", "<unk>", "a", "b"]),
        (documents, ["<pad>", "<unk>", "c"]),
    ):
        dataset = Dataset("name", ["x", "y"], split, split, split, vocabulary, ["a note"])
        made = cached_dataset("name", {"of": str(vocabulary)}, lambda dataset=dataset: dataset)
        again = cached_dataset("name", {"of": str(vocabulary)}, never)
        for one in (made, again):
            assert one.fingerprint() == dataset.fingerprint() and type(one.train.points) is type(
                split.points
            )
            assert str(one.train.rho) == str(split.rho)
            assert (one.name, one.classes, one.vocabulary, one.notes) == (
                "name",
                ["x", "y"],
                vocabulary,
                ["a note"],
            )


def test_unlabelled_splits_come_back_too():
    words = torch.tensor([2, 3, 2, 2], dtype=torch.int32)
    one, two, three = (
        Split(Sentences(words + i, torch.arange(5)), torch.tensor([0, 1, 4])) for i in range(3)
    )
    plain = Dataset("name", ["x", "y"], one, one, one)
    whole = Dataset("name", ["x", "y"], one, one, one, unlabelled_train=two, unlabelled_dev=three)
    cached_dataset("unlabelled", {}, lambda: whole)
    again = cached_dataset("unlabelled", {}, never)
    assert list(again.splits()) == ["train", "dev", "test", "unlabelled_train", "unlabelled_dev"]
    assert torch.equal(again.unlabelled_train.points.words, words + 1)
    assert torch.equal(again.unlabelled_dev.points.words, words + 2)
    assert again.fingerprint() == whole.fingerprint() != plain.fingerprint()
