"""IMDb (Maas et al. 2011): 25,000 + 25,000 reviews with a sentiment, and 50,000 without, which
similar points are from."""

from data.dataset import Dataset
from data.datasets.labelled_documents import ReviewOptions, labelled_documents
from data.files.cache import expanded, find
from data.files.download import Source, fetched
from data.text.tokens import TextOptions

SOURCE = Source(
    url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    name="aclImdb_v1.tar.gz",
    what="IMDb",
    # as TensorFlow Datasets and MLDatasets.jl pin it
    sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
    size=84_125_825,
)
_NAMES = (
    "aclImdb",
    *(
        f"{name}{kind}"
        for name in ("aclImdb_v1", "aclImdb")
        for kind in (".tar.gz", ".tar", ".tar.xz")
    ),
)


def load_imdb(
    root: str | None,
    review: str = "mean",
    max_review_words: int = 400,
    min_sentences: int = 2,
    **text: object,
) -> Dataset:
    """The official split; dev is a share of every training class, and of the unlabelled reviews.

    root is the folder ``aclImdb``, an archive of it, or a folder that holds either under its own
    name. Without root the archive is searched where crl keeps its data and downloaded if it is not
    there, its sha256 being checked.
    """
    found = find(root, *_NAMES)
    if found is None:
        found = fetched(SOURCE) if root is None else expanded(root)
    options = TextOptions(**text)  # type: ignore[arg-type]
    return labelled_documents(
        "imdb", found, SOURCE.name, ReviewOptions(review, max_review_words, min_sentences), options
    )
