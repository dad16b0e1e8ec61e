"""The data sets: the options of each one, and what loads it. Imports no torch.

To add a data set, write a module in data/datasets/, and add its options and its line in
``DATASETS`` here.

A class attribute without a type is no option. It says what a kind of data set lacks, so that the
code can ask every kind the same question. ``files_can_change``: whether it reads files that users
may change, so that their content is compared before a finished run counts as the same.
"""

from dataclasses import dataclass, fields
from typing import Any

from omegaconf import MISSING

from crl.data.files.cache import expand_user
from crl.data.files.class_folders import count_classes
from crl.experiments.config.choices import Choices
from crl.experiments.config.option import Choice, option

_NOT_LOADED = (
    "name", "train_fraction", "augment",
    "class_distribution", "class_sizes", "imbalance", "minority_share",
)  # fmt: skip


@dataclass
class DatasetConfig:
    """The options of every data set.

    ``train_fraction``: the share of the unlabelled points that training sees. ``dev_fraction``: the
    share of the training points that is held out as dev points. ``split_seed``: which points these
    are; it does not depend on the run's seed.
    """

    name: str = MISSING
    train_fraction: float = option(1.0, above=0, most=1)
    dev_fraction: float = option(0.1, above=0, below=1)
    split_seed: int = option(0, least=0)

    augment = "none"
    class_distribution = "points"
    class_sizes = "all"
    imbalance = 1.0
    minority_share = 0.5
    points_are_means = False
    files_can_change = False

    def loader_arguments(self) -> dict[str, Any]:
        """The options that the loader takes; the others change what it has loaded."""
        names = [spec.name for spec in fields(self) if spec.name not in _NOT_LOADED]
        return {name: getattr(self, name) for name in names}

    def most_classes(self) -> int | None:
        """The largest number of classes that the data can have, where it is known unread."""
        return None


@dataclass
class LabelledConfig(DatasetConfig):
    """Data sets whose latent classes are their labelled classes.

    ``class_distribution``: rho, the distribution that classes are drawn from. ``class_sizes``: how
    many training points each class keeps. ``imbalance``: the largest share over the smallest, for
    both; the first classes are the largest. ``minority_share``: the share of small classes under
    "step". See docs/beyond.md.
    """

    class_distribution: str = option("points", choices=("points", "uniform", "longtail", "step"))
    class_sizes: str = option("all", choices=("all", "longtail", "step"))
    imbalance: float = option(1.0, least=1, most=10_000)
    minority_share: float = option(0.5, above=0, below=1)


@dataclass
class ImagesConfig(LabelledConfig):
    """``augment``: flip and shift every image anew each time that training encodes it."""

    augment: str = option("none", choices=("none", "shift", "flip_shift"))


@dataclass
class GlyphsConfig(ImagesConfig):
    """Built-in images of 100 characters."""

    points_per_class: int = option(200, least=4)
    test_per_class: int = option(30, least=1)

    def most_classes(self) -> int:
        """100 characters are drawn."""
        return 100


@dataclass
class ClassIdsConfig(LabelledConfig):
    """Classes whose points are all equal.

    With ``encoder.embedding=learned`` each class has one free embedding.
    """

    classes: int = option(5, least=2)
    points_per_class: int = option(20, least=2)

    def most_classes(self) -> int:
        """As many as asked for."""
        return self.classes


@dataclass
class FeaturesConfig(LabelledConfig):
    """``root``: an NPZ or safetensors file of features that another program computed."""

    files_can_change = True
    root: str | None = None


@dataclass
class CIFAR100Config(ImagesConfig):
    """``root``: the folder that holds ``cifar-100-python/``."""

    # The data are published, so their place cannot change the result.
    root: str | None = option(None, changes_result=False)

    def most_classes(self) -> int:
        """CIFAR-100 has 100."""
        return 100


@dataclass
class ImageFolderConfig(ImagesConfig):
    """A folder of images, with a subfolder per class.

    ``root`` holds ``<split>/<class>/*``, with splits called train, val or test, or ``<class>/*``,
    which is split.
    ``image_size``: pixels a side. ``test_fraction``: the share of test points of such a split.
    """

    files_can_change = True
    root: str | None = None
    image_size: int = option(32, least=8, most=512)
    test_fraction: float = option(0.2, above=0, below=1)

    def most_classes(self) -> int | None:
        """As many as there are class folders."""
        return None if self.root is None else count_classes(expand_user(self.root))


@dataclass
class WordsConfig(DatasetConfig):
    """``max_words``: longer sentences are cut. ``min_count``: rarer training words are unknown."""

    lowercase: bool = True
    max_words: int = option(50, least=1, most=10_000)
    min_count: int = option(2, least=1)


def _encoding() -> Any:
    """The encoding of text files; "guess" takes UTF-8 where it fits and says what else it read."""
    return option("guess", new=True)


@dataclass
class TextConfig(WordsConfig, LabelledConfig):
    """``test_fraction``: the share of every document's sentences that are test points."""

    test_fraction: float = option(0.2, above=0, below=1)


@dataclass
class DocstringsConfig(TextConfig):
    """Sentences of the docstrings of installed Python modules; a module is a class."""

    sentences_per_document: int = option(150, least=10)


@dataclass
class Wiki3029Config(TextConfig):
    """``root``: the folder or archive of Wiki-3029's files, one article each."""

    files_can_change = True
    root: str | None = option(None, changes_result=False)  # published: see CIFAR100Config
    encoding: str = _encoding()


@dataclass
class DocumentsConfig(TextConfig):
    """``root``: a folder of ``.txt`` files, one class each.

    ``layout``: one sentence a line, or running text. ``min_sentences``: shorter documents are
    dropped.
    """

    files_can_change = True
    root: str | None = None
    layout: str = option("auto", choices=("auto", "lines", "running"))
    min_sentences: int = option(50, least=10)
    encoding: str = _encoding()


@dataclass
class LabelledSentencesConfig(TextConfig):
    """``root``: a folder with a ``.txt`` file per class, or a ``.tsv``, ``.csv`` or ``.txt`` file
    of labels and sentences, perhaps as train, dev and test.

    ``label_column``, ``text_column``: of a table whose columns are not clear; a name, or a number
    from 1.
    """

    files_can_change = True
    root: str | None = None
    label_column: str | None = None
    text_column: str | None = None
    encoding: str = _encoding()


@dataclass
class LabelledDocumentsConfig(WordsConfig):
    """Labelled documents, and unlabelled ones whose sentences are the similar points.

    ``review``: "mean" makes a labelled document the mean of its sentences' features; "whole" makes
    it one sentence of at most ``max_review_words`` words. ``min_sentences``: shorter unlabelled
    documents are dropped. ``dev_fraction`` of the unlabelled documents give the dev loss;
    ``train_fraction`` counts the others.
    """

    files_can_change = True
    root: str | None = None
    review: str = option("mean", choices=("mean", "whole"))
    max_review_words: int = option(400, least=1, most=10_000)
    min_sentences: int = option(2, least=1)
    encoding: str = _encoding()

    def most_classes(self) -> int | None:
        """IMDb has two: a review is positive or negative."""
        return 2 if self.name == "imdb" else None

    @property
    def points_are_means(self) -> bool:  # type: ignore[override]
        """Return whether a labelled document is a mean of features, which no encoder reads."""
        return self.review == "mean"


@dataclass
class IMDbConfig(LabelledDocumentsConfig):
    """``root``: the folder that holds ``aclImdb/``, or an archive of it."""

    root: str | None = option(None, changes_result=False)  # published: see CIFAR100Config


_OWN = {
    "glyphs": Choice(GlyphsConfig, "crl.data.datasets.glyphs:load_glyphs", "images"),
    "docstrings": Choice(
        DocstringsConfig, "crl.data.datasets.docstrings:load_docstrings", "sentences"
    ),
    "cifar100": Choice(CIFAR100Config, "crl.data.datasets.cifar100:load_cifar100", "images"),
    "wiki3029": Choice(Wiki3029Config, "crl.data.datasets.wiki3029:load_wiki3029", "sentences"),
    "class_ids": Choice(ClassIdsConfig, "crl.data.datasets.class_ids:load_class_ids", "sentences"),
    "features": Choice(FeaturesConfig, "crl.data.datasets.features:load_features", "features"),
    "image_folder": Choice(
        ImageFolderConfig, "crl.data.datasets.image_folder:load_image_folder", "images"
    ),
    "documents": Choice(DocumentsConfig, "crl.data.datasets.documents:load_documents", "sentences"),
    "labelled_sentences": Choice(
        LabelledSentencesConfig,
        "crl.data.datasets.labelled_sentences:load_labelled_sentences",
        "sentences",
    ),
    "imdb": Choice(IMDbConfig, "crl.data.datasets.imdb:load_imdb", "sentences"),
    "labelled_documents": Choice(
        LabelledDocumentsConfig,
        "crl.data.datasets.labelled_documents:load_labelled_documents",
        "sentences",
    ),
}

DATASETS = Choices(
    "dataset",
    dict.fromkeys(("images", "sentences", "features"), DatasetConfig),
    _OWN,
    "crl.datasets",
)
