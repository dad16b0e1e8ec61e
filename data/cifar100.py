"""CIFAR-100 (Krizhevsky 2009) through torchvision: 100 classes, 50,000 + 10,000 images of 32x32x3."""

from contextlib import nullcontext
from pathlib import Path
from urllib.error import URLError

import torch
from torchvision.datasets import CIFAR100

from data.cache import data_home, find, locked
from data.dataset import Dataset, shuffled_by, split_off
from data.errors import DataError
from data.split import Images, Split


def load_cifar100(root: str | None, dev_fraction: float, split_seed: int) -> Dataset:
    """The official split; dev is a share of every training class.

    root is the folder that holds ``cifar-100-python/``. Without it the folder is searched where crl keeps its data and
    downloaded if it is not there. torchvision checks the md5 of every file before it unpickles any.
    """
    found = find(root, "cifar-100-python")
    if found is None and root is not None:
        raise DataError(f"dataset.root: {root} holds no folder cifar-100-python; give the folder that does")
    folder = data_home() if found is None else found.parent
    try:
        with locked(folder / "cifar-100-python") if found is None else nullcontext():
            train_set, test_set = (CIFAR100(str(folder), train=train, download=found is None) for train in (True, False))
    except RuntimeError as error:  # torchvision's word for a checksum that does not fit
        place = Path(folder) / "cifar-100-python"
        raise DataError(
            f"{place} is incomplete or damaged (md5 differs); delete it to download it again, or give another copy"
        ) from error
    except (URLError, OSError) as error:
        raise DataError(f"CIFAR-100 cannot be downloaded ({error}); set dataset.root to a copy of it") from error
    whole = shuffled_by(_split(train_set), split_seed)
    dev, train = split_off(whole, dev_fraction)
    return Dataset("cifar100", list(train_set.classes), train, dev, _split(test_set))


def _split(images: CIFAR100) -> Split:
    pixels = torch.from_numpy(images.data).permute(0, 3, 1, 2)
    return Split.from_labels(Images(pixels), torch.tensor(images.targets), len(images.classes))
