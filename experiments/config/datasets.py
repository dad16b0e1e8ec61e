"""The data sets: the options of each one, and what loads it. Imports no torch.

To add a data set, write a module in data/datasets/, and add its options and its line in
``DATASETS`` here.

``files_can_change``: whether a data set reads files that users may change, so that their content is
compared before a finished run counts as the same.
"""

from dataclasses import dataclass
from typing import Any

from crl.data.files.cache import expand_user
from crl.data.files.class_folders import count_classes
from crl.experiments.config.choices import Choices
from crl.experiments.config.dataset_kinds import (
    DatasetConfig,
    ImagesConfig,
    LabelledConfig,
    TextConfig,
    WordsConfig,
)
from crl.experiments.config.option import Choice, option

# What no dataset.root means.
_NEEDED, _FETCHED = "one is needed", "searched in $CRL_DATA, then downloaded"
_FOUND = "found by its name"  # a column


def _encoding() -> Any:
    return option(
        "guess",
        "Encoding of text files, such as cp1250; guess takes UTF-8 where it fits.",
        new=True,
    )


@dataclass
class GlyphsConfig(ImagesConfig):
    """Built-in images of 100 characters, drawn in installed fonts."""

    points_per_class: int = option(
        200, "Training and dev images of a character.", unit="images", least=4
    )
    test_per_class: int = option(30, "Test images of a character.", unit="images", least=1)

    def most_classes(self) -> int:
        """100 characters are drawn."""
        return 100


@dataclass
class ClassIdsConfig(LabelledConfig):
    """Classes whose points are all equal, to see where an objective puts them.

    With ``encoder.embedding=learned`` each class has one free embedding.
    """

    classes: int = option(5, "How many classes there are.", unit="classes", least=2)
    points_per_class: int = option(20, "Training points of a class.", unit="points", least=2)

    def most_classes(self) -> int:
        """As many as asked for."""
        return self.classes


@dataclass
class FeaturesConfig(LabelledConfig):
    """Features that another program computed, with labels."""

    files_can_change = True
    root: str | None = option(
        None,
        "NPZ or safetensors file: train_features, train_labels, test_features, test_labels.",
        null=_NEEDED,
    )


@dataclass
class CIFAR100Config(ImagesConfig):
    """CIFAR-100: 60,000 photographs of 100 kinds of things."""

    # The data are published, so their place cannot change the result.
    root: str | None = option(
        None, "Folder that holds cifar-100-python/.", null=_FETCHED, changes_result=False
    )

    def most_classes(self) -> int:
        """CIFAR-100 has 100."""
        return 100


@dataclass
class ImageFolderConfig(ImagesConfig):
    """Your own images, in a folder per class."""

    files_can_change = True
    root: str | None = option(
        None,
        "Folder of <split>/<class>/* (splits train, val, test), or of <class>/* to be split.",
        null=_NEEDED,
    )
    image_size: int = option(
        32, "Height and width that images are resized to.", unit="pixels", least=8, most=512
    )
    test_fraction: float = option(
        0.2, "Share of each class that is test points, if there is no test split.", above=0, below=1
    )

    def most_classes(self) -> int | None:
        """As many as there are class folders."""
        return None if self.root is None else count_classes(expand_user(self.root))


@dataclass
class DocstringsConfig(TextConfig):
    """Built-in text: sentences about installed Python modules; a module is a class."""

    sentences_per_document: int = option(
        150, "Sentences of a module; modules with fewer are left out.", unit="sentences", least=10
    )


@dataclass
class Wiki3029Config(TextConfig):
    """Wiki-3029: sentences of 3,029 Wikipedia articles; an article is a class."""

    files_can_change = True
    root: str | None = option(  # published: see CIFAR100Config
        None,
        "Folder of files, an article each, one sentence a line; or an archive of it.",
        null=_FETCHED,
        changes_result=False,
    )
    encoding: str = _encoding()


@dataclass
class DocumentsConfig(TextConfig):
    """Your own texts: sentences of .txt files; a file is a class."""

    files_can_change = True
    root: str | None = option(None, "Folder of .txt files.", null=_NEEDED)
    layout: str = option(
        "auto",
        "What files hold: one sentence a line, or running text; auto finds out.",
        choices=("auto", "lines", "running"),
    )
    min_sentences: int = option(
        50, "Sentences that a file needs; shorter files are left out.", unit="sentences", least=10
    )
    encoding: str = _encoding()


@dataclass
class LabelledSentencesConfig(TextConfig):
    """Your own sentences with labels; a label is a class."""

    files_can_change = True
    root: str | None = option(
        None,
        "Folder with a .txt file per class, or a .tsv, .csv or .txt file with labels.",
        null=_NEEDED,
    )
    label_column: str | None = option(
        None, "Column of the labels in a table: a name, or a number from 1.", null=_FOUND
    )
    text_column: str | None = option(
        None, "Column of the sentences in a table: a name, or a number from 1.", null=_FOUND
    )
    encoding: str = _encoding()


@dataclass
class LabelledDocumentsConfig(WordsConfig):
    """Your own labelled documents, beside unlabelled ones that training reads.

    Similar points are sentences of an unlabelled document. ``dev_fraction`` of these documents give
    the dev loss; ``train_fraction`` counts the others.
    """

    files_can_change = True
    root: str | None = option(
        None,
        "Folder or archive of train/<class>/*.txt, test/<class>/*.txt and unsup/*.txt.",
        null=_NEEDED,
    )
    review: str = option(
        "mean",
        "A labelled document is the mean of its sentences' features, or one whole sentence.",
        choices=("mean", "whole"),
    )
    max_review_words: int = option(
        400,
        "Longest document that review=whole reads; the rest is cut off.",
        unit="words",
        least=1,
        most=10_000,
    )
    min_sentences: int = option(
        2,
        "Sentences that an unlabelled document needs; shorter ones are left out.",
        unit="sentences",
        least=1,
    )
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
    """IMDb: 50,000 film reviews with a sentiment, beside 50,000 that training reads."""

    root: str | None = option(  # published: see CIFAR100Config
        None,
        "Folder that holds aclImdb/, or an archive of it.",
        null=_FETCHED,
        changes_result=False,
    )


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
