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


def test_a_class_may_be_called_train(tmp_path):
    write(tmp_path, {"cat": 10, "dog": 10})
    (tmp_path / "cat").rename(tmp_path / "train")
    assert load(tmp_path).classes == ["dog", "train"]


@pytest.mark.parametrize(
    "names",
    [("train", "val"), ("Training", "VALID"), ("train", "validation"), ("training_set", "dev")],
)
def test_without_test_the_dev_split_is_the_test_split_and_chooses_nothing(tmp_path, names):
    write(tmp_path / names[0], {"cat": 8, "dog": 4})
    write(tmp_path / names[1], {"dog": 3, "cat": 2}, shift=100)
    dataset = load(tmp_path)
    assert dataset.classes == ["cat", "dog"]
    assert blues(dataset.test, 0) == [120, 121] and blues(dataset.test, 1) == [130, 131, 132]
    assert sorted(blues(dataset.train, 0) + blues(dataset.dev, 0)) == list(range(20, 28))
    (note,) = dataset.notes
    assert note.startswith(f"no test folder: {names[1]}/ is the test split and chooses nothing")


@pytest.mark.parametrize("names", [("train", "val", "test"), ("TRAIN", "Dev", "testing")])
def test_three_splits_are_kept_apart(tmp_path, names):
    for shift, name in zip((0, 50, 100), names, strict=True):
        write(tmp_path / name, {"cat": 6, "dog": 6}, shift=shift)
    dataset = load(tmp_path, dev_fraction=0.9, test_fraction=0.9)
    splits = (dataset.train, dataset.dev, dataset.test)
    assert [min(blues(split, 0)) for split in splits] == [20, 70, 120]
    assert [split.sizes.tolist() for split in splits] == [[6, 6]] * 3
    assert dataset.notes == []


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_one_split_alone_is_divided(tmp_path, name):
    write(tmp_path / name, {"cat": 10, "dog": 10})
    (tmp_path / "outputs" / "runs").mkdir(parents=True)
    dataset = load(tmp_path)
    assert dataset.classes == ["cat", "dog"] and dataset.test.sizes.tolist() == [2, 2]
    assert dataset.notes == [f"{name}/ is the only split there; it is divided"]


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (("train/cat", "Train/cat"), "are both a train split"),
        (("train/cat", "val/cat", "validation/cat"), "are both a dev split"),
        (("val/cat", "test/cat"), "but no train folder"),
        (("train/cat", "extra/cat"), "train looks like a split"),
        (("cat/train", "cat/test", "dog/train", "dog/test"), "cat holds train and test"),
        (("images/train/cat", "images/val/cat", "labels/train"), "images holds val and train"),
        (("pictures/cat", "pictures/dog"), "/pictures"),
        (("train", "val"), "one folder of images per class is expected"),
    ],
)
def test_splits_that_are_not_plain_are_refused(tmp_path, places, said):
    for place in places:
        (tmp_path / place).mkdir(parents=True)
        for number in range(9):
            Image.new("RGB", (9, 9), (number, 0, 0)).save(tmp_path / place / f"{number}.png")
    assert said in refused(tmp_path)


def test_what_lies_beside_the_splits_is_named(tmp_path):
    for name in ("train", "test", "extra"):
        write(tmp_path / name, {"cat": 8, "dog": 4})
    assert load(tmp_path).notes == ["passed over beside the splits: extra"]


def test_a_nested_tree_is_not_merged_unsaid(tmp_path):
    write(tmp_path / "animals", {"cat": 10, "dog": 10})
    write(tmp_path, {"eel": 10})
    dataset = load(tmp_path)
    assert dataset.classes == ["animals", "eel"]
    assert dataset.notes == [
        f"1 of 2 classes in {tmp_path.name}/ take in the images of their subfolders: "
        "animals (cat, dog)"
    ]


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
    assert refused(root) == (
        f"dataset.root: class folder {root / 'eel'} holds no images, "
        "but files of other endings: 1 (.txt 1); put images in, or remove it"
    )
    (root / "eel" / "eel.txt").unlink()
    assert (
        refused(root)
        == f"dataset.root: class folder {root / 'eel'} is empty; put images in, or remove it"
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
    elif kind == "deep":
        Image.fromarray(np.arange(600, dtype=np.float32).reshape(20, 30)).save(path, "TIFF")


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "chunk", "deep"])
def test_a_file_that_is_no_image_is_named(tmp_path, kind):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    broken(root / "dog" / "003.png", kind)
    message = refused(root)
    assert message.startswith(f"{root}/dog/003.png cannot be read as an image (")
    assert message.endswith("); remove or replace it")
    assert ("(floating-point pixels are not read; save" in message) == (kind == "deep")
    assert ("empty file" in message) == (kind == "empty")


def test_damaged_images_are_counted_and_the_first_are_named(tmp_path):
    write(tmp_path / "train", {"cat": 10, "dog": 10})
    write(tmp_path / "test", {"cat": 10, "dog": 10})
    for number in range(3):
        broken(tmp_path / "train" / "dog" / f"00{number}.png", "text")
        broken(tmp_path / "test" / "cat" / f"00{number}.png", "cut")
    message = refused(tmp_path)
    assert message.startswith("6 of 40 images cannot be read: ")
    assert all(f"{tmp_path}/train/dog/00{n}.png cannot be read" in message for n in range(3))
    assert message.endswith(" and 3 more; remove or replace them")


def test_links_to_nothing_are_counted_and_the_first_are_named(tmp_path):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    for number in range(5):
        (root / "cat" / f"link{number}.png").symlink_to("nowhere")
    message = refused(root)
    assert message.startswith(f"5 files cannot be used: {root}/cat/link0.png links to no file, ")
    assert message.endswith(" and 2 more; remove or replace them")


def test_a_link_to_nothing_is_named(tmp_path):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    (root / "cat" / "link.png").symlink_to("nowhere")
    assert refused(root) == f"{root}/cat/link.png links to no file; remove or replace it"


def test_links_to_nothing_are_counted_over_all_splits(tmp_path):
    for role in ("train", "test"):
        root = write(tmp_path / role, {"cat": 10, "dog": 10})
        (root / "cat" / "link.png").symlink_to("nowhere")
    assert refused(tmp_path).startswith("2 files cannot be used: ")


def test_an_image_that_would_fill_the_memory_is_named(tmp_path, monkeypatch):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "cannot be read as an image (Image size" in refused(root)


COLOURED = (250, 10, 20)


def one_class(root, save):
    """A folder of a class that ``save(image, stem)`` writes, and one of plain images."""
    write(root, {"dog": 10})
    (root / "cat").mkdir()
    for number in range(10):
        save(Image.new("RGB", (20, 20), COLOURED), root / "cat" / f"{number}")
    return load(root)


def pixels_of(dataset, label=0):
    splits = (dataset.train, dataset.dev, dataset.test)
    return torch.cat([split.points.rows[split.labels == label] for split in splits])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "PA"])
def test_transparent_parts_are_laid_on_white_and_said_once(tmp_path, mode):
    def save(image, stem):
        alpha = Image.new("L", image.size, 255)
        alpha.paste(0, (10, 0, 20, 20))  # the right half
        grey = Image.new("L", image.size, 0)
        if mode in ("RGBA", "LA"):
            picture = Image.merge("LA", (grey, alpha)).convert(mode)
            picture.save(f"{stem}.png")
        elif mode == "PA":
            Image.merge("LA", (grey, alpha)).convert("RGBA").save(f"{stem}.webp", lossless=True)
        else:
            picture = Image.new("RGB", image.size)
            picture.paste((9, 9, 9), (10, 0, 20, 20))
            chosen = picture if mode == "RGB" else picture.quantize(4)
            clear = (9, 9, 9) if mode == "RGB" else chosen.getpixel((15, 5))
            chosen.save(f"{stem}.png", transparency=clear)

    dataset = one_class(tmp_path, save)
    cats = pixels_of(dataset)
    assert cats[..., :3].unique().tolist() == [0] and cats[..., 5:].unique().tolist() == [255]
    assert dataset.notes == ["10 images with transparent parts laid on white"]


def test_opaque_images_with_an_alpha_channel_are_no_news(tmp_path):
    dataset = one_class(tmp_path, lambda image, stem: image.convert("RGBA").save(f"{stem}.png"))
    assert dataset.notes == [] and pixels_of(dataset)[0, :, 0, 0].tolist() == list(COLOURED)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
def test_images_are_turned_as_a_viewer_shows_them(tmp_path, orientation, ending):
    corner = Image.new("L", (64, 32))
    corner.paste(255, (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation

    def save(image, stem):
        corner.convert("RGB").save(f"{stem}.{ending}", exif=exif)

    dataset = one_class(tmp_path, save)
    seen = pixels_of(dataset)[0, 0].float()
    where = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}[orientation]
    half = {"tl": seen[:4, :4], "tr": seen[:4, 4:], "bl": seen[4:, :4], "br": seen[4:, 4:]}
    assert half[where].mean() > 180 and sum(h.mean() for h in half.values()) < 320
    if ending != "tif":  # Pillow turns these itself
        said = ["10 images turned as their EXIF orientation says"]
        assert dataset.notes == (said if orientation > 1 else [])


def test_broken_exif_data_do_not_spoil_an_image(tmp_path):
    def save(image, stem):
        image.save(f"{stem}.jpg", exif=b"Exif\0\0II*\0nonsense" + bytes(range(200)))

    assert abs(int(pixels_of(one_class(tmp_path, save))[0, 0, 0, 0]) - COLOURED[0]) < 9


@pytest.mark.parametrize(
    "ending",
    ["gif", "GIF", "Jpg", "JPEG", "jfif", "webp", "bmp", "tiff", "TIF", "ppm", "tga", "ico", "pcx",
     "jp2", "avif", "sgi", "dds"],
)  # fmt: skip
def test_every_format_is_read_whatever_the_case_of_the_ending(tmp_path, ending):
    from PIL import features

    if ending in ("jp2", "avif", "webp"):
        codec = {"jp2": "jpg_2000"}.get(ending, ending)
        if not features.check(codec):
            pytest.skip(f"this Pillow has no {ending}")
    dataset = one_class(tmp_path, lambda image, stem: image.save(f"{stem}.{ending}"))
    red, green, blue = pixels_of(dataset)[0, :, 3, 3].tolist()
    assert red > 235 and green < 25 and blue < 40 and dataset.notes == []


def test_a_file_with_the_ending_of_another_format_is_read(tmp_path):
    dataset = one_class(tmp_path, lambda image, stem: image.save(f"{stem}.jpg", "GIF"))
    assert pixels_of(dataset)[0, :, 0, 0].tolist() == list(COLOURED)


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff"])
def test_of_several_frames_the_first_is_read_and_said(tmp_path, ending):
    def save(image, stem):
        frames = [Image.new("RGB", image.size, (n, n, n)) for n in (70, 140)]
        options = {"lossless": True} if ending == "webp" else {}
        image.save(f"{stem}.{ending}", save_all=True, append_images=frames, **options)

    dataset = one_class(tmp_path, save)
    assert pixels_of(dataset)[0, :, 0, 0].tolist() == list(COLOURED)
    assert dataset.notes == ["10 images with several frames: the first of each is read"]


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_16_bits_a_channel_become_8_and_it_is_said(tmp_path, ending):
    deep = np.full((20, 20), 200 * 256 + 17, np.uint16)
    deep[:10] = 65535

    def save(image, stem):
        if ending == "pgm":
            body = deep.astype(">u2").tobytes()
            stem.with_suffix(".pgm").write_bytes(b"P5 20 20 65535\n" + body)
        else:
            Image.fromarray(deep).save(f"{stem}.{ending}")

    dataset = one_class(tmp_path, save)
    assert pixels_of(dataset)[0, 0, :, 0].tolist()[::7] == [255, 200]
    assert dataset.notes == ["10 images of 16 bits a channel read as 8 bits (value / 256)"]


def test_what_is_passed_over_is_counted_and_named(tmp_path):
    root = write(tmp_path / "images", {"cat": 10, "dog": 10})
    before = load(root).fingerprint()
    for name in ("a.heic", "b.HEIC", "notes.txt", "none"):
        (root / "cat" / name).write_bytes(b"\0")
    Image.new("RGB", (9, 9)).save(root / "outside.png")
    for hidden in (".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git"):
        for place in (root, root / "cat"):
            (place / hidden).mkdir()
            Image.new("RGB", (9, 9)).save(place / hidden / "000-checkpoint.png")
    (root / "cat" / "more").symlink_to(root / "dog")
    (root / "loop").symlink_to(root)
    (root / "cat" / "loop").symlink_to(root / "cat")
    dataset = load(root)
    assert dataset.fingerprint() == before and dataset.classes == ["cat", "dog"]
    assert dataset.notes == [
        f"passed over, links to folders: 3 ({root}/cat/loop, {root}/cat/more, {root}/loop)",
        "passed over, no images by their ending: 4 (.heic 2, no ending 1, .txt 1)",
        "passed over, images of no class in images/: 1 (outside.png)",
    ]


def test_the_output_of_crl_is_no_class(tmp_path):
    write(tmp_path, {"cat": 10, "dog": 10})
    before = load(tmp_path)
    (tmp_path / "outputs" / "runs" / "image_folder-x" / "seed0").mkdir(parents=True)
    (tmp_path / "outputs" / "runs" / "image_folder-x" / "seed0" / "config.yaml").touch()
    (tmp_path / "my_run").mkdir()
    (tmp_path / "my_run" / "config.yaml").touch()
    (tmp_path / "wandb").mkdir()
    after = load(tmp_path)
    assert after.classes == ["cat", "dog"] and after.fingerprint() == before.fingerprint()
    assert after.notes == ["passed over, crl's output: my_run, outputs"]
