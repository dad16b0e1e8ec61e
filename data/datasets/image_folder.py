"""Any folder of images: ``<split>/<class>/*``, or ``<class>/*`` alone."""

from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from crl.data.dataset import Dataset, Split, cached_dataset, split_off
from crl.data.errors import unusable
from crl.data.files.cache import existing_root, stamps
from crl.data.files.class_folders import read_class_folders
from crl.data.files.pictures import ODDITIES, formats_by_ending, read_picture
from crl.data.points import Images


def load_image_folder(
    *,
    root: str | None,
    image_size: int,
    dev_fraction: float,
    test_fraction: float,
    split_seed: int,
) -> Dataset:
    """Load a folder of images with a subfolder per class.

    root holds splits under their usual names (train, val, test), each with a subfolder per class,
    or the subfolders themselves. image_size: pixels a side after resizing. test_fraction: share of
    every class, if root has no test split. dev_fraction: share of the rest of every class, if root
    has not both val and test. split_seed: decides which images these are.

    Images are read as viewers show them: turned by their EXIF orientation, transparent parts on
    white, of several frames the first. Raises DataError for missing or empty folders, and for files
    that are no images, which it counts and names.
    """
    folder = existing_root(root, "a folder with one subfolder of images per class")
    found = read_class_folders(folder, formats_by_ending().keys(), "images")
    files, classes = found.files(), found.classes

    def make() -> Dataset:
        splits, notes = _read_all(files, image_size)
        train = splits["train" if "train" in splits else "all"].shuffled(split_seed)
        if (test := splits.get("test")) is None:
            test, train = split_off(train, test_fraction)
        if (dev := splits.get("dev")) is None:
            dev, train = split_off(train, dev_fraction)
        return Dataset("image_folder", classes, train, dev, test, notes=notes)

    # All at once, so that an error names the files of all splits.
    stamped = iter(stamps(path for groups in files.values() for group in groups for path in group))
    key = {
        "files": {
            role: [*islice(stamped, sum(map(len, groups)))] for role, groups in files.items()
        },
        "classes": classes,
        "size": image_size,
        "dev": dev_fraction,
        "test": test_fraction,
        "seed": split_seed,
    }
    dataset = cached_dataset("image_folder", key, make)
    return replace(dataset, notes=[*found.notes, *dataset.notes])


def _read_all(files: dict[str, list[list[Path]]], size: int) -> tuple[dict[str, Split], list[str]]:
    """(the splits, notes) of the files of every split, given class by class.

    Raises DataError that counts and names the files that are unreadable.
    """
    oddities: Counter[str] = Counter()
    faults: list[str] = []
    splits = {role: _read(groups, size, oddities, faults) for role, groups in files.items()}
    if faults:
        count = sum(len(group) for groups in files.values() for group in groups)
        raise unusable(faults, f"of {count} images cannot be read")
    return splits, [f"{oddities[name]} {text}" for name, text in ODDITIES.items() if oddities[name]]


def _read(groups: list[list[Path]], size: int, oddities: Counter[str], faults: list[str]) -> Split:
    """Read and resize the images of one split; count oddities and collect faults."""
    paths = [path for group in groups for path in group]
    pixels = np.empty((len(paths), size, size, 3), np.uint8)
    for index, path in enumerate(
        tqdm(paths, desc="reading images", unit="image", disable=None, leave=False)
    ):
        try:
            pixels[index], odd = read_picture(path, size)
            oddities.update(odd)
        except Exception as error:  # Pillow raises errors of many kinds
            why = str(error) or type(error).__name__
            faults.append(f"{path} cannot be read as an image ({why})")
    images = Images(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous())
    return Split.from_groups(images, groups)
