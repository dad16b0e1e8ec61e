"""Folders of images: trees, sizes, modes, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from crl.data.datasets.image_folder import load_image_folder
from crl.data.errors import DataError

COLOURS = {"cat": (250, 10, 20), "dog": (10, 240, 30), "eel": (5, 15, 230)}


def write(tree, counts, suffix="png", shift=0):
    """Write images of one colour a class; image i has i more of blue."""
    for name, count in counts.items():
        (tree / name).mkdir(parents=True)
        red, green, blue = COLOURS[name]
        for i in range(count):
            Image.new("RGB", (20 + i, 30 - i), (red, green, blue + i + shift)).save(
                tree / name / f"{i:03}.{suffix}"
            )
    return tree


def load(root, image_size=8, dev_fraction=0.25, test_fraction=0.2, split_seed=0):
    return load_image_folder(
        root=None if root is None else str(root),
        image_size=image_size,
        dev_fraction=dev_fraction,
        test_fraction=test_fraction,
        split_seed=split_seed,
    )


def blues(split, label):
    """The blue value of every image of a class in a split; each image has one colour."""
    pixels = split.points.rows[split.labels == label]
    assert torch.equal(pixels, pixels[..., :1, :1].expand_as(pixels))
    return pixels[:, 2, 0, 0].tolist()


def refused(root, **options):
    with pytest.raises(DataError) as error:
        load(root, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_single_tree_is_split_class_by_class(tmp_path):
    dataset = load(write(tmp_path / "images", {"dog": 10, "cat": 20, "eel": 10}))
    assert dataset.classes == ["cat", "dog", "eel"] and dataset.vocabulary is None
    assert dataset.test.sizes.tolist() == [4, 2, 2]
    assert dataset.dev.sizes.tolist() == [4, 2, 2]
    assert dataset.train.sizes.tolist() == [12, 6, 6]
    for label, name in enumerate(dataset.classes):
        found = [
            blue
            for split in (dataset.train, dataset.dev, dataset.test)
            for blue in blues(split, label)
        ]
        blue = COLOURS[name][2]
        assert sorted(found) == list(range(blue, blue + len(found)))
        assert found != sorted(found)  # shuffled before it is cut
    pixels = dataset.train.points.rows
    assert pixels.dtype == torch.uint8 and pixels.shape == (24, 3, 8, 8) and pixels.is_contiguous()
    assert pixels[0, :2, 0, 0].tolist() == [250, 10]  # red, green, blue


def test_train_and_test_trees_are_kept_apart(tmp_path):
    write(tmp_path / "train", {"cat": 8, "dog": 4})
    write(tmp_path / "test", {"dog": 3, "cat": 2}, shift=100)
    dataset = load(tmp_path, test_fraction=0.9)
    assert dataset.classes == ["cat", "dog"]
    sizes = [split.sizes.tolist() for split in (dataset.train, dataset.dev, dataset.test)]
    assert sizes == [[6, 3], [2, 1], [2, 3]]
    assert blues(dataset.test, 0) == [120, 121] and blues(dataset.test, 1) == [130, 131, 132]
    assert sorted(blues(dataset.train, 0) + blues(dataset.dev, 0)) == list(range(20, 28))


def test_a_tree_with_train_alone_is_a_single_tree(tmp_path):
    write(tmp_path / "train", {"cat": 10})
    write(tmp_path / "other", {"cat": 10})
    assert load(tmp_path).classes == ["other", "train"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_mode_becomes_the_colours_that_one_sees(tmp_path, mode):
    write(tmp_path / "images", {"cat": 10, "dog": 10})
    colours = Image.new("RGB", (40, 24))
    colours.paste((255, 255, 255), (0, 0, 20, 24))  # white on the left, black on the right
    suffix = "tif" if mode == "CMYK" else "png"
    for i in range(10):
        (tmp_path / "images" / "cat" / f"{i:03}.png").unlink()
        colours.convert(mode).save(tmp_path / "images" / "cat" / f"{i}.{suffix}")
    dataset = load(tmp_path / "images")
    cats = dataset.train.points.rows[dataset.train.labels == 0]
    assert cats[..., :3].unique().tolist() == [255] and cats[..., 5:].unique().tolist() == [0]


def test_images_of_any_size_are_resized_as_pillow_does(tmp_path):
    random = np.random.default_rng(0)
    for name, sides in (
        ("cat", [(8, 8), (1, 1), (300, 2), (5, 99), (64, 64)]),
        ("dog", [(16, 8)] * 5),
    ):
        (tmp_path / name).mkdir()
        for i, (height, width) in enumerate(sides):
            array = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(array).save(tmp_path / name / f"{i}.bmp")
    dataset = load(tmp_path, image_size=16)
    expected = set()
    for path in (tmp_path / "cat").iterdir():
        resized = Image.open(path).resize((16, 16), Image.Resampling.BILINEAR)
        expected.add(np.asarray(resized).transpose(2, 0, 1).tobytes())
    found = [s.points.rows[s.labels == 0] for s in (dataset.train, dataset.dev, dataset.test)]
    assert {image.numpy().tobytes() for image in torch.cat(found)} == expected


def test_other_files_and_hidden_ones_are_left_out_and_subfolders_are_read(tmp_path):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    before = load(root)
    (root / ".thumbnails").mkdir()
    (root / "cat" / "notes.txt").write_text("about cats")
    (root / "cat" / "._000.png").write_bytes(b"\0\1")
    (root / "list.csv").write_text("cat,dog")
    assert load(root).fingerprint() == before.fingerprint()
    (root / "cat" / "more").mkdir()
    Image.new("RGB", (9, 9)).save(root / "cat" / "more" / "one.JPEG")
    after = load(root)
    assert int((after.train.sizes + after.dev.sizes + after.test.sizes)[0]) == 11


def test_options_and_files_decide_and_nothing_is_read_twice(tmp_path, monkeypatch):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    first = load(root)
    options = [{"image_size": 9}, {"dev_fraction": 0.5}, {"test_fraction": 0.5}, {"split_seed": 1}]
    assert (
        len({first.fingerprint(), *(load(root, **option).fingerprint() for option in options)}) == 5
    )
    monkeypatch.setattr("crl.data.datasets.image_folder._read", None)
    assert load(root).fingerprint() == first.fingerprint()
    monkeypatch.undo()
    Image.new("RGB", (50, 50), "white").save(root / "cat" / "000.png")
    assert load(root).fingerprint() != first.fingerprint()


def test_a_bad_root_is_refused(tmp_path):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "empty").mkdir()
    absent = tmp_path / "absent"
    assert (
        refused(None)
        == "dataset.root: missing; give a folder with one subfolder of images per class"
    )
    assert refused(absent) == (
        f"dataset.root: {absent} does not exist; "
        "give a folder with one subfolder of images per class"
    )
    for root in (tmp_path / "file", tmp_path / "empty"):
        assert (
            refused(root)
            == f"dataset.root: {root} has no subfolder; one folder of images per class is expected"
        )


def test_an_empty_class_is_refused(tmp_path):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    (root / "eel").mkdir()
    (root / "eel" / "eel.txt").write_text("no image")
    assert (
        refused(root)
        == f"dataset.root: class folder {root / 'eel'} is empty; put images (.jpg ...) in"
    )


def test_a_class_of_one_tree_only_is_refused(tmp_path):
    write(tmp_path / "train", {"cat": 8, "dog": 4})
    write(tmp_path / "test", {"cat": 3, "dog": 2, "eel": 2})
    expected = (
        f"dataset.root: class folder 'eel' is in only one of {tmp_path}/train and {tmp_path}/test"
    )
    assert refused(tmp_path) == expected


def test_too_few_images_or_classes_are_refused(tmp_path):
    few = write(tmp_path / "few", {"cat": 10, "dog": 2})
    assert refused(few) == "dataset image_folder: class 'dog' has no dev point; give it more points"
    one = write(tmp_path / "one", {"cat": 10})
    assert refused(one) == "dataset image_folder: 1 usable class(es); at least 2 are needed"


def broken(path, kind):
    """A file that claims to be an image and cannot be used."""
    if kind == "text":
        path.write_text("this is no picture")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-30])
    elif kind == "chunk":  # Pillow raises SyntaxError
        noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        body = path.read_bytes()
        second = body.index(b"IDAT", body.index(b"IDAT") + 4)
        path.write_bytes(body[:second] + b"\1\2\3\4" + body[second + 4 :])
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "deep":
        Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30)).save(path)


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "chunk", "folder", "deep"])
def test_a_file_that_is_no_image_is_named(tmp_path, kind):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    broken(root / "dog" / "003.png", kind)
    message = refused(root)
    said = "is not a regular file; " if kind == "folder" else "cannot be read as an image ("
    assert message.startswith(f"{root}/dog/003.png {said}") and message.endswith(
        "; remove or replace it"
    )
    assert ("more than 8 bits" in message) == (kind == "deep")


def test_a_link_to_nothing_is_named(tmp_path):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    (root / "cat" / "link.png").symlink_to("nowhere")
    message = (
        f"{root}/cat/link.png cannot be read (No such file or directory); remove or replace it"
    )
    assert refused(root) == message


def test_an_image_that_would_fill_the_memory_is_named(tmp_path, monkeypatch):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "cannot be read as an image (Image size" in refused(root)
