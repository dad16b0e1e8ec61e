"""Any folder of images: ``train/<class>/*`` and ``test/<class>/*``, or one tree ``<class>/*`` that
is split here."""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS
from tqdm import tqdm

from data.dataset import Dataset, labels_of, shuffled_by, split_off
from data.datasets.cached import prepared
from data.errors import DataError
from data.files.cache import find, stamps
from data.points import Images
from data.split import Split

# Those of the extensions, whatever a file is called: Pillow would start an interpreter for EPS, for
# one.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
_MOST_PIXELS = 2**27  # 400 MB


def load_image_folder(
    root: str | None, image_size: int, dev_fraction: float, test_fraction: float, split_seed: int
) -> Dataset:
    """Images resized to ``image_size`` pixels a side; a tree without ``train/`` and ``test/`` is
    split per class."""
    if root is None:
        raise DataError(
            "dataset.root: missing; give a folder with one subfolder of images per class"
        )
    folder = find(root, ".")
    assert folder is not None  # find has checked that root exists
    official = (folder / "train").is_dir() and (folder / "test").is_dir()
    trees = [folder / "train", folder / "test"] if official else [folder]
    files = [_files(tree) for tree in trees]
    classes = sorted(files[0])
    if official and sorted(files[1]) != classes:
        odd = sorted(set(files[0]) ^ set(files[1]))[0]
        raise DataError(
            f"dataset.root: class folder {odd!r} is in only one of {folder}/train and {folder}/test"
        )

    def make() -> Dataset:
        splits = [_read(tree_files, image_size) for tree_files in files]
        if official:
            train, test = shuffled_by(splits[0], split_seed), splits[1]
        else:
            test, train = split_off(shuffled_by(splits[0], split_seed), test_fraction)
        dev, train = split_off(train, dev_fraction)
        return Dataset("image_folder", classes, train, dev, test)

    paths = [path for tree in files for name in classes for path in tree[name]]
    key = {
        "files": stamps(paths),
        "size": image_size,
        "dev": dev_fraction,
        "test": test_fraction,
        "seed": split_seed,
    }
    return prepared("image_folder", key, make)


def _files(tree: Path) -> dict[str, list[Path]]:
    found = {
        folder.name: sorted(
            f for f in folder.rglob("*") if f.suffix.lower() in IMG_EXTENSIONS and f.name[0] != "."
        )
        for folder in (sorted(tree.iterdir()) if tree.is_dir() else [])
        if folder.is_dir() and not folder.name.startswith(".")
    }
    if not found:
        raise DataError(
            f"dataset.root: {tree} has no subfolder; one folder of images per class is expected"
        )
    for name, files in found.items():
        if not files:
            raise DataError(
                f"dataset.root: class folder {tree / name} is empty; put images ({IMG_EXTENSIONS[0]} ...) in"
            )
    return found


def _read(files: dict[str, list[Path]], size: int) -> Split:
    """All images in all groups."""
    groups = [files[name] for name in sorted(files)]
    paths = [path for group in groups for path in group]
    pixels = np.empty((len(paths), size, size, 3), np.uint8)
    for index, path in enumerate(
        tqdm(paths, desc="reading images", unit="image", disable=None, leave=False)
    ):
        try:
            pixels[index] = _pixels(path, size)
        except Exception as error:  # Pillow raises many kinds for a damaged file
            why = str(error) or type(error).__name__
            raise DataError(
                f"{path} cannot be read as an image ({why}); remove or replace it"
            ) from error
    images = Images(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous())
    return Split.from_labels(images, labels_of(groups), len(groups))


def _pixels(path: Path, size: int) -> np.ndarray:
    """[size, size, 3]. What the header claims is looked at before any memory is taken."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on odd metadata
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ValueError(
                    f"{image.width} x {image.height} pixels; at most {_MOST_PIXELS} can be read"
                )
            if image.mode[0] in "IF":  # converting would cut every value above 255
                raise ValueError(f"mode {image.mode} has more than 8 bits a channel")
            return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
