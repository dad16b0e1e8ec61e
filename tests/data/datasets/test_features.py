"""Files of features: labels of every kind, other arrays beside them, and what is refused."""

import numpy as np
import pytest

from crl.data.datasets.features import load_features
from crl.data.errors import DataError

BASE = np.array([0, 1, 2] * 10)


def write(path, change=lambda labels: labels, **more):
    """A file of 30 points a split, point i at i, whose labels are changed."""
    points = np.arange(30, dtype=np.float32)[:, None] + np.zeros(4, np.float32)
    arrays = {f"{role}_features": points for role in ("train", "test")}
    arrays |= {f"{role}_labels": change(BASE) for role in ("train", "test")}
    np.savez(path, **(arrays | more))
    return path


def load(path):
    return load_features(root=str(path), dev_fraction=0.2, split_seed=0)


def refused(path):
    with pytest.raises(DataError) as error:
        load(path)
    assert "\n" not in str(error.value)
    return str(error.value)


KINDS = {
    "from 0": (lambda labels: labels, ["0", "1", "2"], ""),
    "from 1": (lambda labels: labels + 1, ["1", "2", "3"], "the labels are not 0 .. 2"),
    "with gaps": (lambda labels: labels * 7 + 5, ["5", "12", "19"], "the labels are not 0 .. 2"),
    "uint8": (lambda labels: labels.astype(np.uint8), ["0", "1", "2"], ""),
    "whole floats": (lambda labels: labels.astype(float), ["0", "1", "2"], ""),
    "strings": (lambda labels: np.array(["ant", "bee", "äö"])[labels], ["ant", "bee", "äö"], ""),
    "bytes": (
        lambda labels: np.char.encode(np.array(["ant", "bee", "äö"]), "utf-8")[labels],
        ["ant", "bee", "äö"],
        "",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_every_kind_give_the_same_points(tmp_path, kind):
    change, names, said = KINDS[kind]
    plain = load(write(tmp_path / "plain.npz"))
    dataset = load(write(tmp_path / "f_ä.npz", change))
    assert dataset.classes == names and dataset.fingerprint() == plain.fingerprint()
    assert len(dataset.notes) == bool(said) and all(said in note for note in dataset.notes)


def test_bools_are_two_classes(tmp_path):
    dataset = load(write(tmp_path / "f.npz", lambda labels: labels > 0))
    assert dataset.classes == ["False", "True"] and dataset.test.sizes.tolist() == [10, 20]


@pytest.mark.parametrize("shift", [0, 1])
def test_names_of_classes_belong_to_labels_in_order(tmp_path, shift):
    names = np.array(["x", "b", "a"])
    dataset = load(write(tmp_path / "f.npz", lambda labels: labels + shift, classes=names))
    assert dataset.classes == ["x", "b", "a"]
    assert dataset.test.points.rows[dataset.test.labels == 0, 0].tolist() == [*range(0, 30, 3)]
    assert dataset.notes == (["the labels begin at 1: label 1 is x"] if shift else [])


def test_names_of_classes_decide_the_order_of_labels_that_are_strings(tmp_path):
    names = np.array(["x", "b", "a"])
    dataset = load(write(tmp_path / "f.npz", lambda labels: names[labels], classes=names))
    assert dataset.classes == ["x", "b", "a"]
    assert dataset.test.points.rows[dataset.test.labels == 0, 0].tolist() == [*range(0, 30, 3)]


def test_arrays_beside_the_good_ones_are_not_read_and_are_named(tmp_path):
    plain = load(write(tmp_path / "plain.npz")).fingerprint()
    meta = np.array([{"a": 1}, None], dtype=object)
    dataset = load(write(tmp_path / "f.npz", meta=meta, paths=np.array(["x"])))
    assert dataset.fingerprint() == plain
    assert dataset.notes == ["arrays that are not read: meta, paths"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"train_labels": BASE - 1}, "train_labels must be whole numbers from 0 up"),
        ({"train_labels": BASE + 0.5}, "holds float64 like 0.5"),
        ({"train_labels": BASE * np.nan}, "holds float64 like nan"),
        ({"train_labels": BASE[:, None]}, "it has the shape [30, 1]"),
        ({"train_labels": BASE.astype(str).astype(object)}, "train_labels holds Python objects"),
        ({"train_labels": BASE.astype(str)}, "the labels of train and test are of different kinds"),
        ({"train_labels": BASE + 1}, "no train point is of class 0, which another split has"),
        (
            {"train_labels": np.array([b"ant", b"\xe4\xf6"])[BASE % 2]},
            "train_labels holds bytes that are not UTF-8, like b'\\xe4\\xf6'; save strings",
        ),
        ({"classes": np.array([b"a", b"b", b"\xe4"])}, "classes holds bytes that are not UTF-8"),
        ({"classes": np.array(["a", "b", "a"])}, "classes holds 'a' more than once"),
        ({"classes": np.array(["a", "b"])}, "2 names in classes, but the labels are 3 from 0 to 2"),
    ],
)
def test_bad_labels_are_refused(tmp_path, more, said):
    path = write(tmp_path / "f.npz", **more)
    assert said in refused(path) and str(path) in refused(path)


def test_a_file_of_one_array_is_refused_whatever_it_is_called(tmp_path):
    for name in ("a.npy", "a.npz"):
        with (tmp_path / name).open("wb") as stream:
            np.save(stream, BASE)
        assert "(it is an .npy file of one array); give one with" in refused(tmp_path / name)


def test_names_that_repeat_are_refused_for_labels_that_are_strings_too(tmp_path):
    path = write(tmp_path / "f.npz", lambda labels: np.array(["a", "b", "c"])[labels],
                 classes=np.array(["a", "b", "c", "c"]))  # fmt: skip
    assert "classes holds 'c' more than once" in refused(path)
