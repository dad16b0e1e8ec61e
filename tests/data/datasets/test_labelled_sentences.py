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


LINES = [f"{label.upper()}:sub {text}" for text, label in PAIRS]
TABLE = ["label,text", *(f"{label},{text}" for text, label in PAIRS)]
ROWS = ["one,two,three", *(f"{label},{text},7" for text, label in PAIRS)]


@pytest.mark.parametrize(
    ("files", "sizes", "note"),
    [
        (
            {"train_5500.label": LINES, "TREC_10.label": LINES[:8]},
            (36, 4, 8),
            "train 40, test 8; dev is 10% of train",
        ),
        (
            {f"mine.{role}": LINES[:n] for role, n in (("train", 40), ("dev", 12), ("test", 8))},
            (40, 12, 8),
            "train 40, dev 12, test 8",
        ),
        (
            {"train.csv": TABLE, "valid.csv": TABLE[:11]},
            (32, 10, 8),
            "train 40, dev 10; test is 20% of train",
        ),
        (
            {f"{role}/{name}.txt": lines[:n] for role, n in (("TRAIN", 20), ("Testing", 5))
             for name, lines in (("pos", GOOD), ("neg", BAD))},
            (36, 4, 10),
            "train 40, test 10; dev is 10% of train",
        ),
        (
            {f"{name}.{role}.txt": lines[:n] for role, n in (("train", 20), ("test", 5))
             for name, lines in (("pos", GOOD), ("neg", BAD))},
            (36, 4, 10),
            "train 40, test 10; dev is 10% of train",
        ),
    ],
    ids=["TREC's names", "three endings", "no test", "folders", "classes and splits"],
)  # fmt: skip
def test_splits_of_the_files_are_kept_and_missing_ones_are_drawn(tmp_path, files, sizes, note):
    dataset = load(write(tmp_path, files))
    assert tuple(map(len, (dataset.train, dataset.dev, dataset.test))) == sizes
    assert [name.lower() for name in dataset.classes] == ["neg", "pos"]
    assert dataset.notes[-1] == f"2 classes; splits of the files: {note}"


def test_columns_are_chosen_by_name_or_number(tmp_path):
    root = write(tmp_path, {"a.csv": ROWS})
    assert "(one, two, three)" in refused(root) and "dataset.label_column=" in refused(root)
    named = load(root, label_column="One", text_column="two")
    assert named.classes == ["neg", "pos"] and len(named.train) == 28
    assert load(root, label_column="1", text_column="2").fingerprint() == named.fingerprint()
    said = refused(root, label_column="four", text_column="two")
    assert said.startswith("dataset.label_column: ") and "one, two, three" in said


def test_a_quoted_cell_holds_separators_and_line_breaks_and_a_tsv_lone_marks(tmp_path):
    rows = ["label,text", *(f'{label},"{text},\nhe said ""so"""' for text, label in PAIRS)]
    found = sentences(load(write(tmp_path / "csv", {"a.csv": rows})))
    assert 'a good film here today , he said " so "' in found["pos"]
    rows = [f'{label}\t" {text}' for text, label in PAIRS]
    assert (
        '" a good film here today' in sentences(load(write(tmp_path / "t", {"a.tsv": rows})))["pos"]
    )


def test_a_csv_has_long_cells_and_spaces_before_quotation_marks(tmp_path):
    rows = [f'{label} , "{text}, yes"' for text, label in PAIRS]
    dataset = load(write(tmp_path, {"a.csv": [*rows, f"pos, {'long ' * 40_000}"]}))
    assert "a good film here today , yes" in sentences(dataset)["pos"]
    assert sum(map(len, (dataset.train, dataset.dev, dataset.test))) == 41


@pytest.mark.parametrize("first", ["Urteil\tSatz", "odd\ta row"])
def test_a_first_row_that_is_taken_for_a_header_is_told(tmp_path, first):
    rows = [f"{label}\t{text}" for text, label in PAIRS]
    told = "; the first row is taken for a header: " + first.replace("\t", ", ")
    assert load(write(tmp_path, {"a.tsv": [first, *rows]})).notes[0].endswith(told)
    for named in ("label\ttext", rows[0]):
        notes = load(write(tmp_path, {"a.tsv": [named, *rows]})).notes
        assert "header" not in " ".join(notes)


def test_files_that_are_passed_over_and_empty_rows_are_counted(tmp_path):
    root = write(tmp_path, {"a.csv": [*TABLE, "pos,"], "README.md": ["x"], "b.xlsx": ["x"]})
    notes = load(root).notes
    assert notes[0] == "2 files or folders passed over: README.md, b.xlsx"
    assert (
        notes[1]
        == "a.csv: label column 'label', sentence column 'text'; 1 rows without a sentence dropped"
    )


def test_what_lies_beside_folders_of_splits_is_named(tmp_path):
    root = write(tmp_path, {"train/pos.txt": GOOD, "train/neg.txt": BAD})
    assert not [note for note in load(root).notes if "passed over" in note]
    write(root, {"more.txt": GOOD, "old/neg.txt": BAD, "train/README.md": ["x"]})
    assert load(root).notes[0] == "3 files or folders passed over: more.txt, old/, README.md"


REFUSED = {
    "nothing": ({}, "holds no text file; give a folder with one .txt file per class"),
    "a spreadsheet": ({"a.xlsx": ["x"]}, "holds no text file"),
    "no train": ({"test.txt": LINES}, "holds no train file"),
    "a class of test alone": (
        {"train.txt": LINES, "test.txt": [*LINES, "HUM:ind who is it"]},
        "class 'HUM' is in test but not in train",
    ),
    "a class without a test sentence": (
        {"train.txt": LINES, "test.txt": LINES[::2]},
        "class 'NEG' has no test point",
    ),
    "an empty class": ({"a.txt": [], "b.txt": BAD}, "class 'a' is without a sentence; "),
    "several empty classes": (
        {**{f"{name}.txt": [] for name in "acde"}, "b.txt": BAD},
        "4 classes ('a', 'c', 'd' and 1 more) are without a sentence; ",
    ),
    "several classes of test alone": (
        {"train.txt": LINES, "test.txt": [*LINES, "HUM:ind who is it", "LOC:city where is it"]},
        "2 classes ('HUM', 'LOC') are in test but not in train",
    ),
    "an empty table": ({"a.csv": []}, "a.csv is empty"),
    "a header alone": ({"a.csv": TABLE[:1]}, "0 class(es)"),
    "one class": ({"a.csv": [TABLE[0], *TABLE[1::2]]}, "1 class(es) (pos)"),
    "two tables": ({"a.csv": TABLE, "b.csv": TABLE}, "a.csv is a table"),
    "a line without a label": ({"a.txt": [*LINES, "what?"]}, "a.txt, line 41: no label"),
    "lines without labels": (
        {"a.txt": [text.replace("a good", str(n)) + f" x{n}" for n, text in enumerate("bcdefg")]},
        "no labels found; lines LABEL<tab>sentence",
    ),
    "a comma in a sentence": (
        {"a.csv": [*TABLE, "pos,well, yes"]}, "a.csv, line 42: 3 cells, but 2"
    ),
    "a quotation without an end": ({"a.csv": [*TABLE, 'pos,"well']}, "a.csv, line 42: "),
    "a row without a label": ({"a.csv": [*TABLE, ",well"]}, "a.csv, line 42: no label"),
    "splits as folders and as files": (
        {f"{place}{name}.txt": lines for place in ("train/", "test_")
         for name, lines in (("pos", GOOD), ("neg", BAD))},
        "holds the folder train/ and test_neg.txt, test_pos.txt, which all look like splits",
    ),
    "a table beside the folder of a split": (
        {"train/pos.txt": GOOD, "train/neg.txt": BAD, "test.tsv": ["a\tpos"]},
        "holds the folder train/ and test.tsv",
    ),
    "two folders of a split": (
        {f"{role}/{name}.txt": lines for role in ("train", "val", "dev")
         for name, lines in (("pos", GOOD), ("neg", BAD))},
        "dev and val in ",
    ),
    "two files of a split": (
        {"train.txt": LINES, "training.txt": LINES}, "train.txt and training.txt in "
    ),
    "the folder of a split without text": (
        {"train/pos.txt": GOOD, "train/neg.txt": BAD, "test/a.xlsx": ["x"]},
        "test holds no text file",
    ),
    "a folder per class": (
        {"pos/0.txt": GOOD, "neg/0.txt": BAD},
        "holds text files in neg/; here a class is one file",
    ),
    "a folder per class in the folder of a split": (
        {"train/pos/0.txt": GOOD, "train/neg/0.txt": BAD}, "dataset=labelled_documents"
    ),
    "two labels in a line": (
        {"a.txt": [f"__label__{label} __label__x {text}" for text, label in PAIRS]},
        "a.txt, line 1: __label__ in the sentence",
    ),
    "labels with a comma between": (
        {"a.txt": [f"__label__{label},__label__x {text}" for text, label in PAIRS]},
        "a.txt, line 1: __label__ in the sentence",
    ),
    "two labels in a row": (
        {"a.txt": [f"__label__{label}\t__label__x {text}" for text, label in PAIRS]},
        "a.txt, line 1: __label__ in the sentence",
    ),
    "labels in the file of a class": (
        {"a.txt": [f"__label__a {text}" for text in GOOD], "b.txt": BAD},
        "a.txt, line 1: __label__ in the sentence",
    ),
    "columns that are not clear": (
        {"a.csv": ["score,text", *(f"0.{n},{text}" for n, (text, _) in enumerate(PAIRS))]},
        "which of its columns (score, text)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, files, why):
    tmp_path.joinpath("in").mkdir()
    assert why in refused(write(tmp_path / "in", files))


def test_a_change_of_a_file_or_an_option_makes_other_data(tmp_path):
    root = write(tmp_path, {"train.txt": LINES, "test.txt": LINES[:8]})
    first = load(root).fingerprint()
    assert load(root).fingerprint() == first != load(root, dev_fraction=0.3).fingerprint()
    write(tmp_path, {"test.txt": LINES[:10]})
    assert load(root).fingerprint() != first
