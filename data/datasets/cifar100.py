"""CIFAR-100 (Krizhevsky 2009): 100 classes of 32x32 images, 50,000 to train, 10,000 to test."""

from pathlib import Path

import torch
from torchvision.datasets import CIFAR100

from crl.data.dataset import Dataset, Split, split_off
from crl.data.errors import DataError
from crl.data.files.archive import unpack
from crl.data.files.atomic import remove_leftovers
from crl.data.files.cache import data_home, find, locked
from crl.data.files.download import Source, fetch
from crl.data.points import Images

SOURCE = Source(
    url=CIFAR100.url,
    name=CIFAR100.filename,
    what="CIFAR-100",
    # The one that Keras pins; torchvision's md5 is of the same file.
    sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    size=169_001_437,
)
MD5S = {
    **dict(CIFAR100.train_list),
    **dict(CIFAR100.test_list),
    CIFAR100.meta["filename"]: CIFAR100.meta["md5"],
}
_FOLDER = CIFAR100.base_folder


def load_cifar100(*, root: str | None, dev_fraction: float, split_seed: int) -> Dataset:
    """Load CIFAR-100 with its official test images; dev is a share of every training class.

    root: the folder that holds ``cifar-100-python/``. Without root, this folder is searched in
    :func:`crl.data.files.cache.data_home`; if it is not there, it is downloaded from the authors'
    site and unpacked. dev_fraction: in (0, 1). split_seed: decides which images are dev images.

    torchvision checks the md5 of every file before it unpickles any. Raises DataError if the files
    are missing, damaged, or cannot be had.
    """
    folder = find(root, _FOLDER)
    if folder is None and root is not None:
        raise DataError(
            f"dataset.root: {root} holds no folder {_FOLDER}; give the folder that does"
        )
    folder = folder or _downloaded()
    try:
        train_set, test_set = (CIFAR100(str(folder.parent), train=train) for train in (True, False))
    except RuntimeError as error:  # torchvision raises it for a wrong checksum
        raise DataError(
            f"{folder} is incomplete or damaged (md5 differs); "
            "delete it to have it made again, or give another copy"
        ) from error
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}); give another copy") from error
    dev, train = split_off(_split(train_set).shuffled(split_seed), dev_fraction)
    return Dataset("cifar100", list(train_set.classes), train, dev, _split(test_set))


def _downloaded() -> Path:
    """The folder in crl's data, unpacked from the archive there, or from a download of it."""
    folder = data_home() / _FOLDER
    with locked(folder):
        if not folder.exists():
            remove_leftovers(folder.parent, folder.name)
            try:
                unpack(fetch(SOURCE), MD5S, folder, SOURCE.name)
            except OSError as error:
                raise DataError(
                    f"{folder} cannot be written ({error.strerror}); set CRL_DATA to another folder"
                ) from error
    return folder


def _split(images: CIFAR100) -> Split:
    points = Images(torch.from_numpy(images.data).permute(0, 3, 1, 2))
    return Split.from_labels(points, torch.tensor(images.targets), len(images.classes))
