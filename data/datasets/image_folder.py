"""Any folder of images: ``train/<class>/*`` and ``test/<class>/*``, or ``<class>/*`` alone."""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS
from tqdm import tqdm

from crl.data.dataset import Dataset, Split, cached_dataset, split_off
from crl.data.errors import DataError
from crl.data.files.cache import existing_root, stamps
from crl.data.points import Images

# Pillow tries only these formats, whatever a file is called. For EPS, say, it would start an
# interpreter.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")
_MOST_PIXELS = 2**27  # of one image: 400 MB


def load_image_folder(
    *,
    root: str | None,
    image_size: int,
    dev_fraction: float,
    test_fraction: float,
    split_seed: int,
) -> Dataset:
    """Load a folder of images with a subfolder per class.

    root holds ``train/`` and ``test/``, or the subfolders themselves. image_size: pixels a side
    after resizing. test_fraction: share of every class, if root has no ``test/``. dev_fraction:
    share of the rest of every class. split_seed: decides which images these are.

    Raises DataError for missing or empty folders, and for files that are no images.
    """
    folder = existing_root(root, "a folder with one subfolder of images per class")
    official = (folder / "train").is_dir() and (folder / "test").is_dir()
    files = [_files(folder / name) for name in (("train", "test") if official else (".",))]
    classes = sorted(files[0])
    if official and sorted(files[1]) != classes:
        odd = min(set(files[0]) ^ set(files[1]))
        raise DataError(
            f"dataset.root: class folder {odd!r} is in only one of {folder}/train and {folder}/test"
        )

    def make() -> Dataset:
        splits = [_read(tree_files, image_size) for tree_files in files]
        if official:
            train, test = splits[0].shuffled(split_seed), splits[1]
        else:
            test, train = split_off(splits[0].shuffled(split_seed), test_fraction)
        dev, train = split_off(train, dev_fraction)
        return Dataset("image_folder", classes, train, dev, test)

    key = {
        "files": stamps(path for tree in files for name in classes for path in tree[name]),
        "size": image_size,
        "dev": dev_fraction,
        "test": test_fraction,
        "seed": split_seed,
    }
    return cached_dataset("image_folder", key, make)


def _files(tree: Path) -> dict[str, list[Path]]:
    """The image files of every class. Raises DataError for a tree or class without any."""
    by_class = {
        folder.name: sorted(
            f for f in folder.rglob("*") if f.suffix.lower() in IMG_EXTENSIONS and f.name[0] != "."
        )
        for folder in (sorted(tree.iterdir()) if tree.is_dir() else [])
        if folder.is_dir() and not folder.name.startswith(".")
    }
    if not by_class:
        raise DataError(
            f"dataset.root: {tree} has no subfolder; one folder of images per class is expected"
        )
    for name, files in by_class.items():
        if not files:
            raise DataError(
                f"dataset.root: class folder {tree / name} is empty; "
                f"put images ({IMG_EXTENSIONS[0]} ...) in"
            )
    return by_class


def _read(files: dict[str, list[Path]], size: int) -> Split:
    """Read and resize all images: class -> files. Raises DataError for one that is unreadable."""
    groups = [files[name] for name in sorted(files)]
    paths = [path for group in groups for path in group]
    pixels = np.empty((len(paths), size, size, 3), np.uint8)
    for index, path in enumerate(
        tqdm(paths, desc="reading images", unit="image", disable=None, leave=False)
    ):
        try:
            pixels[index] = _pixels(path, size)
        except Exception as error:  # Pillow raises errors of many kinds
            why = str(error) or type(error).__name__
            raise DataError(
                f"{path} cannot be read as an image ({why}); remove or replace it"
            ) from error
    images = Images(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous())
    return Split.from_groups(images, groups)


def _pixels(path: Path, size: int) -> np.ndarray:
    """One image: uint8 [size, size, 3]. The size in its header is checked before it is decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise ValueError(
                    f"{image.width} x {image.height} pixels; at most {_MOST_PIXELS} can be read"
                )
            if image.mode[0] in "IF":  # conversion would clip all values above 255
                raise ValueError(f"mode {image.mode} has more than 8 bits a channel")
            return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
