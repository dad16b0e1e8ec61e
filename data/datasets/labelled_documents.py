"""Labelled documents beside unlabelled ones: similar points are sentences of an unlabelled
document, labels only score."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from tqdm import tqdm

from data.dataset import Dataset, labels_of, shuffled_by, split_off
from data.datasets.cached import prepared
from data.datasets.documents import read_text
from data.errors import DataError
from data.files.archive import read_texts
from data.files.cache import find, stamps
from data.points import Documents, Sentences
from data.split import Split
from data.text.sentences import split_sentences
from data.text.tokens import TextOptions, encode, growing_ids, with_vocabulary

_UNLABELLED = ("unsup", "unlabelled")
# Where a file counts, in an archive below at most one more folder.
_PLACE = re.compile(
    rf"(?:[^/.][^/]*/)??((?:(?:train|test)/[^/.][^/]*|{'|'.join(_UNLABELLED)})/[^/.][^/]*\.txt)"
)
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_LAYOUT = "train/<class>/*.txt, test/<class>/*.txt and train/unsup/*.txt (or unsup/*.txt)"


@dataclass(frozen=True)
class ReviewOptions:
    """How a labelled document becomes one point: "mean" of its sentences' features, or "whole",
    encoded as one sentence of at most ``max_review_words`` words; and the fewest sentences of an
    unlabelled document that is kept."""

    review: str = "mean"
    max_review_words: int = 400
    min_sentences: int = 2


def load_labelled_documents(
    root: str | None,
    review: str = "mean",
    max_review_words: int = 400,
    min_sentences: int = 2,
    **text: object,
) -> Dataset:
    """A folder, or a tar archive of it, with ``train/<class>/*.txt``, ``test/<class>/*.txt`` and
    unlabelled documents in ``train/unsup``, ``unsup`` or a folder ``unlabelled`` instead; see
    :func:`labelled_documents`."""
    if root is None:
        raise DataError(f"dataset.root: missing; give a folder or archive with {_LAYOUT}")
    source = find(root, ".")
    assert source is not None  # find has checked that root exists
    options = TextOptions(**text)  # type: ignore[arg-type]
    reviews = ReviewOptions(review, max_review_words, min_sentences)
    return labelled_documents(
        "labelled_documents", source, "an archive of such documents", reviews, options
    )


def labelled_documents(
    name: str, source: Path, wanted: str, reviews: ReviewOptions, options: TextOptions
) -> Dataset:
    """The data set of that name in a folder or archive, ``wanted`` being what an archive should
    have been.

    The classes and the split into train and test are those of the folders; dev is a share of every
    class of train. Similar points are the sentences of unlabelled documents, of which a share is
    dev; the vocabulary is that of the others. Documents are running text, undecodable bytes are
    replaced, ``<br />`` is a line break. Raises DataError.
    """
    files = [source] if source.is_file() else _files(source)

    def make() -> Dataset:
        names, read = _archived(source, wanted) if source.is_file() else _in_folder(source, files)
        train, test, unlabelled = _sorted_out(source, names)
        ids = growing_ids()
        notes, similar = _similar(
            source,
            _documents(_texts(unlabelled, read, "unlabelled"), ids, options),
            reviews,
            options,
        )
        whole = _labelled(source, train, read, ids, reviews, options)
        dev, rest = split_off(shuffled_by(whole, options.split_seed), options.dev_fraction)
        made = Dataset(
            name,
            sorted(train),
            train=rest,
            dev=dev,
            test=_labelled(source, test, read, ids, reviews, options),
            notes=notes,
            unlabelled_train=similar[0],
            unlabelled_dev=similar[1],
        )
        return with_vocabulary(made, ids, options.min_count)

    return prepared(
        name, {"files": stamps(files), "reviews": asdict(reviews), "text": asdict(options)}, make
    )


def _files(folder: Path) -> list[Path]:
    """What :data:`_PLACE` asks for, by name."""
    patterns = ("train/*/*.txt", "test/*/*.txt", *(f"{name}/*.txt" for name in _UNLABELLED))
    found = {
        path.relative_to(folder).as_posix(): path
        for pattern in patterns
        for path in folder.glob(pattern)
    }
    return [found[name] for name in sorted(found) if _PLACE.fullmatch(name)]


def _in_folder(folder: Path, files: list[Path]) -> tuple[list[str], Callable[[str], str]]:
    """(names below the folder, what reads one)."""
    return [path.relative_to(folder).as_posix() for path in files], lambda name: read_text(
        folder / name
    )


def _archived(path: Path, wanted: str) -> tuple[list[str], Callable[[str], str]]:
    """(names below the folder in the archive, what gives the text of one)."""

    def place(name: object) -> str | None:
        found = _PLACE.fullmatch(str(name))
        return found[1] if found else None

    texts = read_texts(path, place, wanted)
    return sorted(texts), texts.__getitem__


def _sorted_out(
    source: Path, names: list[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]], list[str]]:
    """Names of (train by class, test by class, unlabelled documents). Raises DataError where one of
    them is missing."""
    labelled: dict[str, dict[str, list[str]]] = {
        "train": defaultdict(list),
        "test": defaultdict(list),
    }
    unlabelled = []
    for name in names:
        role, label = name.split("/")[:2]
        if role in _UNLABELLED or (role == "train" and label in _UNLABELLED):
            unlabelled.append(name)
        else:
            labelled[role][label].append(name)
    train, test = labelled["train"], labelled["test"]
    missing = [
        part
        for part, found in (("train", train), ("test", test), ("unlabelled", unlabelled))
        if not found
    ]
    if missing:
        raise DataError(
            f"{source} holds no {' and no '.join(missing)} documents; {_LAYOUT} are expected"
        )
    for role, other in (("train", "test"), ("test", "train")):
        if alone := sorted(labelled[role].keys() - labelled[other].keys()):
            raise DataError(
                f"{source}: class {alone[0]!r} has documents in {role} but none in {other}; give it some in both"
            )
    return train, test, unlabelled


def _texts(names: list[str], read: Callable[[str], str], part: str) -> Iterator[str]:
    """The text of every document, with a bar."""
    for name in tqdm(
        names, desc=f"reading {part} documents", unit=" documents", disable=None, leave=False
    ):
        yield _LINE_BREAK.sub("\n", read(name))


def _documents(texts: Iterable[str], ids: dict[str, int], options: TextOptions) -> Documents:
    """The sentences of every text."""
    counts = [0]

    def sentences() -> Iterator[str]:
        for text in texts:
            found = split_sentences(text)
            counts.append(len(found))
            yield from found

    points = encode(sentences(), ids, options)
    return Documents(points, torch.tensor(counts).cumsum(0))


def _labelled(
    source: Path,
    classes: dict[str, list[str]],
    read: Callable[[str], str],
    ids: dict[str, int],
    reviews: ReviewOptions,
    options: TextOptions,
) -> Split:
    """The labelled documents, each one point. Raises DataError for one without a word."""
    names = [name for label in sorted(classes) for name in classes[label]]
    texts = _texts(names, read, names[0].partition("/")[0])
    points: Sentences | Documents
    if reviews.review == "whole":
        points = encode(texts, ids, replace(options, max_words=reviews.max_review_words))
    else:
        points = _documents(texts, ids, options)
    lengths = points.offsets.diff()
    if int(lengths.min()) == 0:
        raise DataError(
            f"{source}: {names[int(lengths.argmin())]} is empty; remove it or give it text"
        )
    return Split.from_labels(
        points, labels_of([classes[label] for label in sorted(classes)]), len(classes)
    )


def _similar(
    source: Path, documents: Documents, reviews: ReviewOptions, options: TextOptions
) -> tuple[list[str], tuple[Split, Split]]:
    """(notes, (train, dev)): the unlabelled documents that are long enough, in an order drawn by
    the split seed."""
    long = (documents.offsets.diff() >= reviews.min_sentences).nonzero()[:, 0]
    order = long[
        torch.randperm(len(long), generator=torch.Generator().manual_seed(options.split_seed))
    ]
    held_out = round(len(order) * options.dev_fraction)
    notes = [
        f"similar points are drawn from the sentences of {len(long) - held_out} unlabelled documents"
    ]
    if dropped := len(documents) - len(long):
        notes.append(
            f"{dropped} unlabelled documents with fewer than {reviews.min_sentences} sentences dropped"
        )
    if min(held_out, len(order) - held_out) < 2:
        raise DataError(
            f"{source}: {len(order)} unlabelled documents with at least {reviews.min_sentences} sentences, of which "
            f"{held_out} are dev; at least 2 in dev and 2 in train are needed (dataset.dev_fraction)"
        )
    dev, train = (documents.select(part) for part in (order[:held_out], order[held_out:]))
    return notes, (Split(train.sentences, train.offsets), Split(dev.sentences, dev.offsets))
