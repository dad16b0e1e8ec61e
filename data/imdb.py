"""IMDb (Maas et al. 2011): 25,000 + 25,000 reviews with a sentiment, and 50,000 without, which similar points are from."""

from pathlib import Path

from data.archive import downloaded
from data.cache import find
from data.dataset import Dataset
from data.labelled_documents import ReviewOptions, labelled_documents
from data.text import TextOptions

URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
MD5 = "7c2ac02c03563afcf9b574c7e56c153a"
_ARCHIVE = "aclImdb_v1.tar.gz"
_NAMES = ("aclImdb", *(f"{name}{kind}" for name in ("aclImdb_v1", "aclImdb") for kind in (".tar.gz", ".tar", ".tar.xz")))


def load_imdb(
    root: str | None, review: str = "mean", max_review_words: int = 400, min_sentences: int = 2, **text: object
) -> Dataset:
    """The official split; dev is a share of every training class, and of the unlabelled reviews.

    root is the folder ``aclImdb``, an archive of it, or a folder that holds either under its own name. Without root the
    archive is searched where crl keeps its data and downloaded if it is not there, its md5 being checked.
    """
    found = find(root, *_NAMES)
    if found is None:
        found = downloaded(URL, _ARCHIVE, "IMDb", MD5) if root is None else Path(root).expanduser()
    options = TextOptions(**text)  # type: ignore[arg-type]
    return labelled_documents("imdb", found, _ARCHIVE, ReviewOptions(review, max_review_words, min_sentences), options)
