"""Labelled documents beside unlabelled ones.

Similar points are sentences of an unlabelled document; labels only score the features.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from tqdm import tqdm

from crl.data.dataset import Dataset, Split, cached_dataset, split_off
from crl.data.errors import DataError
from crl.data.files.archive import read_files
from crl.data.files.cache import existing_root, stamps
from crl.data.files.folders import is_text, no_texts, role_of, subfolders
from crl.data.points import Documents, Sentences, offsets_of
from crl.data.text.decoding import find_encodings, read_bytes
from crl.data.text.sentences import split_sentences
from crl.data.text.tokens import WordOptions, build_vocabulary, encode, growing_ids

_UNLABELLED = ("unsup", "unlabelled")
# Where documents lie; in an archive it is below at most one more folder.
_PLACE = re.compile(
    rf"(?:[^/.][^/]*/)??((?:(?:train|test)/[^/.][^/]*|{'|'.join(_UNLABELLED)})/[^/.][^/]*)"
)
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_LAYOUT = "train/<class>/*.txt, test/<class>/*.txt and train/unsup/*.txt (or unsup/*.txt)"


@dataclass(frozen=True, kw_only=True)
class ReviewOptions(WordOptions):
    """Options of labelled documents, such as reviews.

    ``review``: how a labelled document becomes a point. "mean": its feature is the mean of its
    sentences' features; "whole": it is one sentence of at most ``max_review_words`` words.
    ``min_sentences``: unlabelled documents with fewer sentences are dropped. ``dev_fraction``:
    share of the training points of every class, and of the unlabelled documents. ``encoding``: see
    :func:`crl.data.text.decoding.find_encodings`.
    """

    review: str
    max_review_words: int
    min_sentences: int
    encoding: str


def load_labelled_documents(*, root: str | None, **options: Any) -> Dataset:
    """Load a folder, or a tar archive of it, of labelled and unlabelled documents.

    root holds ``train/<class>/*.txt``, ``test/<class>/*.txt``, and unlabelled documents in
    ``train/unsup``, ``unsup``, ``train/unlabelled`` or ``unlabelled``. options: see
    :class:`ReviewOptions`. Raises DataError as :func:`labelled_documents` does.
    """
    source = existing_root(root, f"a folder or archive with {_LAYOUT}")
    wanted = "an archive of such documents"
    return labelled_documents("labelled_documents", source, wanted, ReviewOptions(**options))


def labelled_documents(name: str, source: Path, wanted: str, options: ReviewOptions) -> Dataset:
    """The data set of this name in a folder or archive.

    Classes, and the split into train and test, are those of the folders. The vocabulary comes from
    the unlabelled documents outside dev. Documents are running text; ``<br />`` is a line break.
    ``wanted``: the archive that error messages ask for.

    Raises DataError for missing folders, classes or texts, empty labelled documents, too few
    unlabelled ones, and a damaged archive.
    """
    files, passed = ({source.name: source}, []) if source.is_file() else _files(source)

    def make() -> Dataset:
        names, read_content, packed = (
            _archived(source, wanted)
            if source.is_file()
            else (list(files), lambda name: read_bytes(files[name]), [])
        )
        train, test, unlabelled = _sort_names(source, names)
        decoder = find_encodings(names, read_content, options.encoding)

        def read(name: str) -> str:
            return decoder.text(name, read_content(name))

        ids = growing_ids()
        documents = _documents(_texts(unlabelled, read, "unlabelled"), ids, options)
        notes, similar_train, similar_dev = _similar(source, documents, options)
        labelled = _labelled(source, train, read, ids, options).shuffled(options.split_seed)
        dev, rest = split_off(labelled, options.dev_fraction)
        dataset = Dataset(
            name,
            sorted(train),
            train=rest,
            dev=dev,
            test=_labelled(source, test, read, ids, options),
            notes=[*no_texts(packed), *decoder.notes, *notes],
            unlabelled_train=similar_train,
            unlabelled_dev=similar_dev,
        )
        return build_vocabulary(dataset, ids, options.min_count)

    key: dict[str, object] = {"files": stamps(files.values()), "options": asdict(options)}
    dataset = cached_dataset(name, key, make)
    return replace(dataset, notes=[*no_texts(passed), *dataset.notes])


def _files(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """(name below the folder -> file, sorted; others that match :data:`_PLACE`)."""
    patterns = ("train/*/*", "test/*/*", *(f"{name}/*" for name in _UNLABELLED))
    _check_splits(folder, [path.name for path in subfolders(folder)])
    by_name = {
        path.relative_to(folder).as_posix(): path
        for pattern in patterns
        for path in folder.glob(pattern)
    }
    names = [name for name in sorted(by_name) if _PLACE.fullmatch(name)]
    texts = {name: by_name[name] for name in names if is_text(name)}
    return texts, [by_name[name] for name in names if name not in texts]


def _check_splits(source: Path, folders: Iterable[str]) -> None:
    """Raise DataError for a folder of a split that would be passed over, such as ``val``."""
    for name in sorted(folders):
        if role_of(name) and name not in ("train", "test"):
            raise DataError(
                f"{source} holds {name}, which looks like a split; {_LAYOUT} are expected, and dev "
                "is a share of train: rename it, or move its files"
            )


def _archived(path: Path, wanted: str) -> tuple[list[str], Callable[[str], bytes], list[Path]]:
    """(names of documents in the archive, what returns their bytes, others among them)."""
    folders: set[str] = set()
    passed: set[str] = set()

    def place(name: PurePosixPath) -> str | None:
        match = _PLACE.match(str(name))
        if not match:
            folders.update(name.parts[:-1][:2])
        elif is_text(name.name) and match[0] == str(name):
            return match[1]
        else:
            passed.add(match[1])
        return None

    contents = read_files(path, place, wanted)
    _check_splits(path, folders)
    return sorted(contents), contents.__getitem__, sorted(map(Path, passed))


def _sort_names(
    source: Path, names: list[str]
) -> tuple[dict[str, list[str]], dict[str, list[str]], list[str]]:
    """(names of train by class, of test by class, of unlabelled documents).

    Raises DataError if one of the three, or a class in train or test, is missing.
    """
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
    kinds = {**labelled, "unlabelled": unlabelled}
    if missing := [kind for kind, documents in kinds.items() if not documents]:
        raise DataError(
            f"{source} holds no {' and no '.join(missing)} documents; {_LAYOUT} are expected"
        )
    for role, other in (("train", "test"), ("test", "train")):
        if alone := sorted(labelled[role].keys() - labelled[other].keys()):
            raise DataError(
                f"{source}: class {alone[0]!r} has documents in {role} but none in {other}; "
                "give it some in both"
            )
    return labelled["train"], labelled["test"], unlabelled


def _texts(names: list[str], read: Callable[[str], str], kind: str) -> Iterator[str]:
    """Read the text of every document, with a progress bar."""
    for name in tqdm(
        names, desc=f"reading {kind} documents", unit=" documents", disable=None, leave=False
    ):
        yield _LINE_BREAK.sub("\n", read(name))


def _documents(texts: Iterable[str], ids: dict[str, int], options: WordOptions) -> Documents:
    """Every text as a document of its sentences."""
    counts: list[int] = []

    def sentences() -> Iterator[str]:
        for text in texts:
            of_text = split_sentences(text)
            counts.append(len(of_text))
            yield from of_text

    points = encode(sentences(), ids, options)
    return Documents(points, offsets_of(torch.tensor(counts, dtype=torch.int64)))


def _labelled(
    source: Path,
    classes: dict[str, list[str]],
    read: Callable[[str], str],
    ids: dict[str, int],
    options: ReviewOptions,
) -> Split:
    """A split with every labelled document as a point. Raises DataError for an empty document."""
    groups = [classes[label] for label in sorted(classes)]
    names = [name for group in groups for name in group]
    texts = _texts(names, read, names[0].partition("/")[0])
    points: Sentences | Documents
    if options.review == "whole":
        points = encode(texts, ids, replace(options, max_words=options.max_review_words))
    else:
        points = _documents(texts, ids, options)
    lengths = points.offsets.diff()
    if int(lengths.min()) == 0:
        raise DataError(
            f"{source}: {names[int(lengths.argmin())]} is empty; remove it or give it text"
        )
    return Split.from_groups(points, groups)


def _similar(
    source: Path, documents: Documents, options: ReviewOptions
) -> tuple[list[str], Split, Split]:
    """(notes, train, dev) of the unlabelled documents that have enough sentences.

    Their order is drawn by the split seed. Raises DataError if there are too few.
    """
    large = (documents.offsets.diff() >= options.min_sentences).nonzero()[:, 0]
    random = torch.Generator().manual_seed(options.split_seed)
    order = large[torch.randperm(len(large), generator=random)]
    held_out = round(len(order) * options.dev_fraction)
    notes = [
        f"similar points are drawn from the sentences of {len(order) - held_out} "
        "unlabelled documents"
    ]
    if dropped := len(documents) - len(order):
        notes.append(
            f"{dropped} unlabelled documents with fewer than {options.min_sentences} sentences "
            "dropped"
        )
    if min(held_out, len(order) - held_out) < 2:
        raise DataError(
            f"{source}: {len(order)} unlabelled documents with at least {options.min_sentences} "
            f"sentences, of which {held_out} are dev; at least 2 in dev and 2 in train are needed "
            "(dataset.dev_fraction)"
        )
    dev, train = (documents.select(part) for part in (order[:held_out], order[held_out:]))
    return notes, Split(train.sentences, train.offsets), Split(dev.sentences, dev.offsets)
