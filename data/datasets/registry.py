"""The data sets that can be chosen by name. A new one is a file here and a line in ``DATASETS``."""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from data.dataset import Dataset


class Entry(NamedTuple):
    """Where a data set is loaded from and what its points are. Imported only when chosen."""

    module: str  # in data.datasets
    function: str
    holds: str  # "images", "sentences" or "features"


DATASETS: dict[str, Entry] = {
    "glyphs": Entry("glyphs", "load_glyphs", "images"),
    "docstrings": Entry("docstrings", "load_docstrings", "sentences"),
    "cifar100": Entry("cifar100", "load_cifar100", "images"),
    "wiki3029": Entry("wiki3029", "load_wiki3029", "sentences"),
    "class_ids": Entry("class_ids", "load_class_ids", "sentences"),
    "features": Entry("features", "load_features", "features"),
    "image_folder": Entry("image_folder", "load_image_folder", "images"),
    "documents": Entry("documents", "load_documents", "sentences"),
    "imdb": Entry("imdb", "load_imdb", "sentences"),
    "labelled_documents": Entry("labelled_documents", "load_labelled_documents", "sentences"),
}


def load_dataset(name: str, **options: object) -> "Dataset":
    """Load the data set of that name.

    Raises KeyError for an unknown name, TypeError for a missing or unknown option, DataError for
    data that cannot be used.
    """
    entry = DATASETS[name]
    return getattr(import_module(f"data.datasets.{entry.module}"), entry.function)(**options)
