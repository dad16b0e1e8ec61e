"""CIFAR-100: its official split; only original files are unpickled."""

import hashlib
import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_defaults import load
from scripted_server import says, serving

from crl.data.dataset import pixel_statistics
from crl.data.datasets import cifar100
from crl.data.datasets.cifar100 import load_cifar100
from crl.data.errors import DataError


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


class Fake:
    """torchvision's class with 100 classes of 10 or 2 tiny images; red is the label."""

    def __init__(self, root: str, train: bool) -> None:
        self.made.append((root, train))
        self.classes = [f"class{label}" for label in range(100)]
        self.targets = (
            np.random.default_rng(train)
            .permutation(np.repeat(np.arange(100), 10 if train else 2))
            .tolist()
        )
        self.data = np.zeros((len(self.targets), 4, 5, 3), np.uint8)
        self.data[..., 0] = np.array(self.targets)[:, None, None]
        self.data[..., 1] = np.arange(len(self.data))[:, None, None] % 256
        self.data[..., 2] = np.arange(5)  # the column


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(cifar100, "CIFAR100", Fake)
    monkeypatch.setattr(Fake, "made", [], raising=False)
    return Fake


def test_dev_is_a_share_of_every_training_class(fake, tmp_path):
    (tmp_path / "cifar-100-python").mkdir()
    dataset = load_cifar100(root=str(tmp_path), dev_fraction=0.2, split_seed=0)
    assert dataset.classes[:2] == ["class0", "class1"]
    assert [s.sizes.unique().tolist() for s in (dataset.train, dataset.dev, dataset.test)] == [
        [8],
        [2],
        [2],
    ]
    for split in (dataset.train, dataset.dev, dataset.test):
        pixels = split.points.rows
        assert pixels.shape[1:] == (3, 4, 5) and pixels.dtype == torch.uint8
        assert torch.equal(pixels[:, 0, 0, 0].long(), split.labels)
        assert torch.equal(
            pixels[:, 2], torch.arange(5, dtype=torch.uint8).expand(len(split), 4, 5)
        )
    assert fake.made == [(str(tmp_path), True), (str(tmp_path), False)]
    seeds = [
        load_cifar100(root=str(tmp_path), dev_fraction=0.2, split_seed=seed) for seed in (0, 1)
    ]
    assert seeds[0].fingerprint() == dataset.fingerprint() != seeds[1].fingerprint()
    assert torch.equal(seeds[1].test.points.rows, dataset.test.points.rows)


def archive(path: Path, files: dict[str, bytes]) -> bytes:
    with tarfile.open(path, "w:gz") as packed:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            packed.addfile(member, io.BytesIO(body))
    return path.read_bytes()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """(the server of an archive with three files, the folder for crl's data)."""
    files = {name: name.encode() * 1000 for name in ("train", "test", "meta")}
    outside = {"../outside": b"?", "/outside": b"?", "cifar-100-python/more": b"?", "train": b"?"}
    body = archive(
        tmp_path / "any",
        {**outside, **{f"cifar-100-python/{name}": body for name, body in files.items()}},
    )
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("CRL_DATA", str(home))
    monkeypatch.setattr(
        cifar100, "MD5S", {name: hashlib.md5(body).hexdigest() for name, body in files.items()}
    )
    with serving(body) as server:
        source = replace(
            cifar100.SOURCE, url=server.url, sha256=hashlib.sha256(body).hexdigest(), size=len(body)
        )
        monkeypatch.setattr(cifar100, "SOURCE", source)
        yield server, home


def test_without_root_it_is_searched_then_downloaded_and_only_its_own_files_are_unpacked(
    fake, served, tmp_path
):
    server, home = served
    for _ in range(2):
        load_cifar100(root=None, dev_fraction=0.2, split_seed=0)
    assert server.asked == [None]
    assert fake.made == [(str(home), True), (str(home), False)] * 2
    assert sorted(file.name for file in (home / "cifar-100-python").iterdir()) == [
        "meta",
        "test",
        "train",
    ]
    assert (home / "cifar-100-python" / "meta").read_bytes() == b"meta" * 1000
    kept = {"cifar-100-python", "cifar-100-python.tar.gz"}
    assert {file.name for file in home.iterdir() if file.suffix != ".lock"} == kept
    assert not Path("/outside").exists() and not list(tmp_path.rglob("outside"))


def test_an_archive_with_other_files_leaves_no_folder(fake, served, tmp_path):
    _, home = served
    place = home / "cifar-100-python.tar.gz"
    for forged in ({}, {"cifar-100-python/train": b"train" * 1000, "cifar-100-python/test": b"?"}):
        archive(place, forged)
        with pytest.raises(DataError) as refusal:
            load_cifar100(root=None, dev_fraction=0.2, split_seed=0)
        expected = (
            f"{place} is not cifar-100-python.tar.gz: meta is missing or damaged in it; "
            "delete it or replace it"
        )
        assert str(refusal.value) == expected
        assert {file.name for file in home.iterdir() if file.suffix != ".lock"} == {place.name}


def test_links_in_the_archive_are_not_followed(fake, served, tmp_path):
    _, home = served
    (home / "secret").write_bytes(b"meta" * 1000)
    with tarfile.open(home / "cifar-100-python.tar.gz", "w:gz") as packed:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            for name in ("train", "test", "meta"):
                member = tarfile.TarInfo(f"cifar-100-python/{name}")
                member.type, member.linkname = kind, "../secret"
                packed.addfile(member)
    with pytest.raises(DataError, match="meta is missing or damaged"):
        load_cifar100(root=None, dev_fraction=0.2, split_seed=0)


def test_a_failing_download_says_what_to_set(fake, served):
    served[0].script = [says(404)]
    with pytest.raises(
        DataError,
        match=r"^CIFAR-100 cannot be downloaded \(.*404.*\); set dataset.root to a copy of it$",
    ):
        load("cifar100", root=None)


def test_a_root_without_it_is_refused(tmp_path):
    absent = tmp_path / "absent"
    with pytest.raises(DataError) as refusal:
        load("cifar100", root=str(absent))
    assert (
        str(refusal.value)
        == f"dataset.root: {absent} does not exist; give the folder that holds cifar-100-python"
    )
    with pytest.raises(DataError) as refusal:
        load("cifar100", root=str(tmp_path))
    expected = (
        f"dataset.root: {tmp_path} holds no folder cifar-100-python; give the folder that does"
    )
    assert str(refusal.value) == expected


def refused(root: Path) -> None:
    with pytest.raises(DataError) as refusal:
        load("cifar100", root=str(root))
    folder = root / "cifar-100-python"
    expected = (
        f"{folder} is incomplete or damaged (md5 differs); "
        "delete it to have it made again, or give another copy"
    )
    assert str(refusal.value) == expected


def test_a_forged_pickle_is_refused_before_it_is_read(tmp_path):
    folder, canary = tmp_path / "cifar-100-python", tmp_path / "canary"
    folder.mkdir()
    refused(tmp_path)  # an empty folder
    forged = pickle.dumps(Evil(canary))
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(forged)
    refused(tmp_path)
    assert not canary.exists()
    pickle.loads(forged)
    assert canary.exists()  # it does act when it is unpickled


@pytest.mark.parametrize("name", ["train", "test", "meta"])
def test_one_forged_file_among_the_real_is_refused(real_data, tmp_path, name):
    folder, canary = tmp_path / "cifar-100-python", tmp_path / "canary"
    folder.mkdir()
    for real in ("train", "test", "meta"):
        (folder / real).symlink_to(real_data("cifar-100-python", 3) / real)
    (folder / name).unlink()
    (folder / name).write_bytes(pickle.dumps(Evil(canary)))
    refused(tmp_path)
    assert not canary.exists()


def test_the_real_one(real_data):
    dataset = load("cifar100", root=str(real_data("cifar-100-python", 3).parent))
    assert (len(dataset.train) + len(dataset.dev), len(dataset.test)) == (50_000, 10_000)
    assert [s.sizes.unique().tolist() for s in (dataset.train, dataset.dev, dataset.test)] == [
        [450],
        [50],
        [100],
    ]
    assert len(set(dataset.classes)) == 100 and dataset.classes[:3] == [
        "apple",
        "aquarium_fish",
        "baby",
    ]
    assert dataset.train.points.rows.shape == (45_000, 3, 32, 32)
    mean, std = pixel_statistics(dataset.train)  # as published for the training set
    assert mean == pytest.approx([0.5071, 0.4867, 0.4408], abs=2e-3)
    assert std == pytest.approx([0.2675, 0.2565, 0.2761], abs=2e-3)
