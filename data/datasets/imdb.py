"""IMDb (Maas et al. 2011): 50,000 film reviews with a sentiment, and 50,000 without.

25,000 of the labelled reviews are to train, 25,000 to test. Similar points are sentences of an
unlabelled review.
"""

from typing import Any

from crl.data.dataset import Dataset
from crl.data.datasets.labelled_documents import ReviewOptions, labelled_documents
from crl.data.files.download import Source, find_or_fetch

SOURCE = Source(
    url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    name="aclImdb_v1.tar.gz",
    what="IMDb",
    # The one that TensorFlow Datasets and MLDatasets.jl pin.
    sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
    size=84_125_825,
)
# What the data may be called in their folder.
NAMES = (
    "aclImdb",
    *(
        f"{name}{kind}"
        for name in ("aclImdb_v1", "aclImdb")
        for kind in (".tar.gz", ".tar", ".tar.xz")
    ),
)


def load_imdb(*, root: str | None, **options: Any) -> Dataset:
    """Load IMDb with its official test reviews.

    dev is a share of every training class, and of the unlabelled reviews. root: the folder
    ``aclImdb``, an archive of it, or a folder that holds either under its own name. Without root,
    the archive is searched in :func:`crl.data.files.cache.data_home`; if it is not there, it is
    downloaded from Stanford's site and its sha256 checked. options: see
    :class:`crl.data.datasets.labelled_documents.ReviewOptions`.

    Raises DataError if the reviews are missing, damaged, or cannot be had.
    """
    source = find_or_fetch(root, SOURCE, *NAMES)
    return labelled_documents("imdb", source, SOURCE.name, ReviewOptions(**options))
