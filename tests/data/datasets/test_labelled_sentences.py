"""Labelled sentences: every form in which people have them, and what is refused."""

import pytest
from dataset_defaults import load as load_with_defaults

from crl.data.errors import DataError

PLACES, TIMES = ("here", "there", "near", "far", "outside"), ("today", "once", "late", "again")
GOOD = [f"a good film {place} {time}" for place in PLACES for time in TIMES]
BAD = [f"some bad play {place} {time}" for place in PLACES for time in TIMES]
PAIRS = [
    pair for both in zip(GOOD, BAD, strict=True) for pair in ((both[0], "pos"), (both[1], "neg"))
]


def write(folder, files, encoding="utf-8"):
    for name, lines in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return folder


def load(root, **options):
    return load_with_defaults("labelled_sentences", root=str(root), min_count=1, **options)


def refused(root, **options) -> str:
    with pytest.raises(DataError) as error:
        load(root, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def sentences(dataset) -> dict[str, set[str]]:
    """class -> its sentences in all splits, as their tokens with single spaces."""
    found = {name: set() for name in dataset.classes}
    for split in (dataset.train, dataset.dev, dataset.test):
        ends = split.points.offsets.tolist()
        for label, a, b in zip(split.labels.tolist(), ends, ends[1:], strict=False):
            words = [dataset.vocabulary[i] for i in split.points.words[a:b]]
            found[dataset.classes[label]].add(" ".join(words))
    return found


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


# Name of the form -> files with the same 40 sentences of pos and neg.
FORMS = {
    "a file per class": {"pos.txt": GOOD, "neg.txt": BAD},
    "MR's files": {
        "rt-polarity.pos": GOOD,
        "rt-polarity.neg": BAD,
        "rt-polaritydata.README.1.0.txt": ["See"],
    },
    "TREC's lines": {"all.txt": [f"{label}:sub {text}" for text, label in PAIRS]},
    "fastText's lines": {"all.txt": [f"__label__{label} {text}" for text, label in PAIRS]},
    "a label and a space": {"rt-polarity.all": [f"{label} {text}" for text, label in PAIRS]},
    "a tab in a text file": {"all.txt": [f"{label}\t{text}" for text, label in PAIRS]},
    "TSV with a header": {"mr.tsv": ["sentence\tlabel", *(f"{t}\t{label}" for t, label in PAIRS)]},
    "TSV without a header": {"mr.tsv": [f"{text}\t{label}" for text, label in PAIRS]},
    "TSV with a header of other words": {
        "mr.tsv": ["Satz\tUrteil", *(f"{t}\t{label}" for t, label in PAIRS)]
    },
    "CSV with a header": {
        "mr.csv": [
            "id,text,label",
            *(f"{i},{quoted(t)},{label}" for i, (t, label) in enumerate(PAIRS)),
        ]
    },
    "CSV of a spreadsheet in German": {
        "mr.csv": ["text;label", *(f"{t};{label}" for t, label in PAIRS)]
    },
    "CSV in quotes without a header": {
        "mr.csv": [f"{quoted(label)},{quoted(text)}" for text, label in PAIRS]
    },
}


@pytest.mark.parametrize("files", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_form_gives_the_same_sentences(tmp_path, files, encoding):
    dataset = load(write(tmp_path, files, encoding))
    assert sentences(dataset) == {"neg": set(BAD), "pos": set(GOOD)}
    assert [len(s) for s in (dataset.train, dataset.dev, dataset.test)] == [28, 4, 8]
