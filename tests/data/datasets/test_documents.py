"""Folders of text files: layouts, what is dropped, what is refused."""

import unicodedata

import pytest
from dataset_defaults import load as load_with_defaults

from crl.data.datasets.documents import guess_layout
from crl.data.errors import DataError

WORDS = [
    "Alpha",
    "Beta",
    "Gamma",
    "Delta",
    "Epsilon",
    "Zeta",
    "Eta",
    "Theta",
    "Iota",
    "Kappa",
    "Lambda",
    "Mu",
]


def sentences(name: str, count: int = 12) -> list[str]:
    return [f"{word} is what {name} says." for word in WORDS[:count]]


def write(folder, documents, joint="\n"):
    folder.mkdir(exist_ok=True)
    for name, lines in documents.items():
        (folder / f"{name}.txt").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text(joint.join(lines), encoding="utf-8")
    return str(folder)


def load(root, layout="auto", **options):
    chosen = {"min_sentences": 10, "min_count": 1, **options}
    return load_with_defaults("documents", root=root, layout=layout, **chosen)


def words(dataset, label):
    """The set of sentences of a class, over all splits."""
    found = set()
    for split in (dataset.train, dataset.dev, dataset.test):
        starts = split.points.offsets
        for i in (split.labels == label).nonzero().flatten().tolist():
            found.add(
                " ".join(
                    dataset.vocabulary[w] for w in split.points.words[starts[i] : starts[i + 1]]
                )
            )
    return found


@pytest.mark.parametrize(
    ("joint", "how"), [("\n", "one sentence a line"), (" ", "running text, split into sentences")]
)
def test_every_file_is_a_class_whatever_the_layout(tmp_path, joint, how):
    root = write(
        tmp_path / "texts",
        {"b": sentences("b"), "a": sentences("a"), "deep/c": sentences("c")},
        joint,
    )
    dataset = load(root)
    assert dataset.classes == ["a", "b", "deep/c"]
    assert dataset.notes == [f"3 documents read as {how}"]
    assert (dataset.train.sizes + dataset.dev.sizes + dataset.test.sizes).tolist() == [12] * 3
    assert (
        load(root, "lines" if joint == "\n" else "running").fingerprint() == dataset.fingerprint()
    )


def test_both_layouts_of_the_same_text_are_the_same_data(tmp_path):
    documents = {"a": sentences("a"), "b": sentences("b")}
    lines = load(write(tmp_path / "lines", documents))
    paragraphs = {
        name: [" ".join(s[:5]), " ".join(s[5:9]), " ".join(s[9:])] for name, s in documents.items()
    }
    running = load(write(tmp_path / "running", paragraphs, "\n\n"))
    assert running.fingerprint() == lines.fingerprint()


@pytest.mark.parametrize(
    ("texts", "layout"),
    [
        (["One here.\nTwo there!\n\nThree where?\n"], "lines"),
        (['He said "One."\n(Two there.)\n“Three?”\n'], "lines"),
        (["One here. Two there! Three where?\nFour. Five. Six.\n"], "running"),
        (["These lines are\nbroken where the\npage was full. And\nso on.\n"], "running"),
        (["One.\nTwo.\nThree.\n", "no end\nnor here\n"], "running"),
        (["a title\nanother one\nand a third\n"], "lines"),
        (["Er kam\nspät an. Ärger\ngab es\nnicht.\n"], "running"),
        (["One.\nTwo.\nThree.\nFour.\n", "no end\n"], "lines"),
        ([], "lines"),
    ],
)
def test_guess_of_the_layout(texts, layout):
    assert guess_layout(texts) == layout


def test_a_given_layout_is_obeyed(tmp_path):
    one_line = [" ".join([*sentences("x"), f"Line {i} ends."]) for i in range(10)]
    root = write(tmp_path / "texts", {"a": one_line, "b": one_line})
    for layout, size in (
        ("lines", 10),
        ("running", 22),
        ("auto", 22),
    ):  # 12 sentences are in every line
        dataset = load(root, layout)
        assert (dataset.train.sizes + dataset.dev.sizes + dataset.test.sizes).tolist() == [size] * 2


def test_repeated_and_one_word_sentences_count_once_and_not_at_all(tmp_path):
    root = write(
        tmp_path / "texts",
        {"a": ["Title.", *sentences("a"), *sentences("a")], "b": ["", *sentences("b")]},
    )
    dataset = load(root)
    assert (dataset.train.sizes + dataset.dev.sizes + dataset.test.sizes).tolist() == [12, 12]


def test_small_documents_are_dropped_and_named(tmp_path):
    small = {name: sentences(name, 3) for name in "wxyz"}
    root = write(tmp_path / "texts", {"a": sentences("a"), "b": sentences("b", 10), **small})
    dataset = load(root)
    assert dataset.classes == ["a", "b"]
    assert dataset.notes == [
        "2 documents read as one sentence a line",
        "4 documents with fewer than 10 sentences dropped: w, x, y and 1 more",
    ]
    for name in "wyz":
        write(tmp_path / "texts", {name: sentences(name)})
    assert load(root).notes[1] == "1 documents with fewer than 10 sentences dropped: x"


def test_files_in_another_encoding_are_read_in_it(tmp_path):
    texts = {"les": ["strom liška"], "more": ["loď vlna"]}
    texts = {n: [f"{word} {w[0]} číslo." for word in WORDS] for n, w in texts.items()}
    whole = load(write(tmp_path / "utf8", texts))
    for name, lines in texts.items():
        for folder, encoding in (("cp1250", "cp1250"), ("utf16", "utf-16"), ("mark", "utf-8-sig")):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.txt").write_text("\n".join(lines), encoding=encoding)
    for folder, note in (("cp1250", "cp1250 (a guess"), ("utf16", "utf-16 (their mark)")):
        other = load(str(tmp_path / folder))
        assert other.fingerprint() == whole.fingerprint()
        assert other.vocabulary == whole.vocabulary
        assert other.notes[0].startswith(f"2 of 2 files are not UTF-8; read as {note}")
    assert load(str(tmp_path / "mark")).fingerprint() == whole.fingerprint()
    given = load(str(tmp_path / "cp1250"), encoding="cp1250")
    assert (given.vocabulary, given.notes[1:]) == (whole.vocabulary, [])
    assert "loп" in load(str(tmp_path / "cp1250"), encoding="cp1251").vocabulary


def test_either_form_of_an_accented_letter_gives_the_same_data(tmp_path):
    texts = {name: [f"{word} vidí {name} číslo." for word in WORDS] for name in ("loď", "liška")}
    whole = load(write(tmp_path / "nfc", texts))
    half = {
        name: [unicodedata.normalize("NFD" if n % 2 else "NFC", line) for n, line in enumerate(of)]
        for name, of in texts.items()
    }
    assert load(write(tmp_path / "half", half)).fingerprint() == whole.fingerprint()


def test_sentences_without_punctuation_are_lines(tmp_path):
    lines = {name: [line.rstrip(".").lower() for line in sentences(name)] for name in "ab"}
    dataset = load(write(tmp_path / "texts", lines))
    assert dataset.notes == ["2 documents read as one sentence a line"]
    assert (dataset.train.sizes + dataset.dev.sizes + dataset.test.sizes).tolist() == [12, 12]


def test_a_refusal_names_the_layout_that_would_do(tmp_path):
    root = write(tmp_path / "texts", {name: sentences(name) for name in "ab"}, " ")
    assert refused(root, layout="lines") == (
        "dataset.root: 0 of 2 documents have 10 sentences; at least 2 are needed "
        "(dataset.min_sentences); they were read as one sentence a line; as running text, split "
        "into sentences, 2 have enough: dataset.layout=running"
    )
    half = [line if n % 2 else line.rstrip(".") for n, line in enumerate(sentences("a"))]
    assert "dataset.layout=lines" in refused(write(tmp_path / "half", {"a": half, "b": half}))


def test_chinese_running_text(tmp_path):
    texts = {
        name: [f"{name}在{word}看书。" for word in "一二三四五六七八九十百千"]
        for name in ("猫", "狗")
    }
    dataset = load(write(tmp_path / "texts", texts, ""))
    assert dataset.notes == ["2 documents read as running text, split into sentences"]
    assert (dataset.train.sizes + dataset.dev.sizes + dataset.test.sizes).tolist() == [12, 12]
    assert {"猫", "狗", "看", "书", "。"} <= set(dataset.vocabulary)


def test_hidden_files_and_other_files_are_no_documents(tmp_path):
    root = write(
        tmp_path / "texts", {name: sentences(name) for name in ("a", "b", ".hidden", "._a")}
    )
    (tmp_path / "texts" / ".#a.txt").symlink_to("nobody@nowhere")  # an editor's lock
    (tmp_path / "texts" / "README.md").write_text("Nothing. At all.")
    dataset = load(root)
    assert dataset.classes == ["a", "b"]
    assert dataset.notes[0] == "passed over, no .txt file: 1 (.md 1)"
    (tmp_path / "texts" / "more").mkdir()
    (tmp_path / "texts" / "more" / "c.MD").write_text("Nothing. At all.")
    assert load(root).notes[0] == "passed over, no .txt file: 2 (.md 2)"


def test_folders_of_splits_are_no_parts_of_names(tmp_path):
    texts = {f"{role}/{name}": sentences(name) for role in ("Train", "test") for name in "ab"}
    said = refused(write(tmp_path / "texts", texts))
    assert "holds test and Train, which look like splits" in said and "labelled_sentences" in said
    assert load(str(tmp_path / "texts" / "Train")).classes == ["a", "b"]


def test_the_ending_may_be_in_capitals(tmp_path):
    root = write(tmp_path / "texts", {"a": sentences("a"), "b": sentences("b")})
    (tmp_path / "texts" / "b.txt").rename(tmp_path / "texts" / "B.TXT")
    assert load(root).classes == ["B", "a"]
    write(tmp_path / "texts", {"B": sentences("b")})
    assert load(root).classes == ["B", "B.txt", "a"]


def test_a_changed_file_is_read_again_an_unchanged_one_is_not(tmp_path, monkeypatch):
    root = write(tmp_path / "texts", {"a": sentences("a"), "b": sentences("b")})
    first = load(root)
    monkeypatch.setattr("crl.data.datasets.documents.read_bytes", None)
    again = load(root)
    assert again.fingerprint() == first.fingerprint()
    assert (again.classes, again.vocabulary, again.notes) == (
        first.classes,
        first.vocabulary,
        first.notes,
    )
    monkeypatch.undo()
    write(tmp_path / "texts", {"b": sentences("b", 11)})
    assert (
        int(load(root).test.sizes.sum() + load(root).train.sizes.sum() + load(root).dev.sizes.sum())
        == 23
    )


@pytest.mark.parametrize(
    "options", [{"split_seed": 1}, {"max_words": 3}, {"dev_fraction": 0.2}, {"min_count": 5}]
)
def test_every_option_makes_other_data(tmp_path, options):
    root = write(tmp_path / "texts", {"a": sentences("a"), "b": sentences("b")})
    assert load(root, **options).fingerprint() != load(root).fingerprint()


def refused(root, **options):
    with pytest.raises(DataError) as error:
        load(root, **options)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_bad_root_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("One. Two.")
    absent = str(tmp_path / "absent")
    assert refused(None) == "dataset.root: missing; give a folder of .txt files, one document each"
    assert refused(absent) == (
        f"dataset.root: {absent} does not exist; give a folder of .txt files, one document each"
    )
    for name in ("empty", "file"):
        root = str(tmp_path / name)
        assert (
            refused(root)
            == f"dataset.root: {root} holds no .txt file; one file per document is expected"
        )


@pytest.mark.parametrize(
    "names", [("train/a", "train/b", "test/a"), ("x/Train/a", "x/dev/a", "y"), ("train", "valid")]
)
def test_splits_are_no_classes(tmp_path, names):
    root = write(tmp_path / "texts", {name: sentences(name) for name in names})
    assert ", which look like splits, not classes" in refused(root)


def test_a_document_may_have_the_name_of_a_split(tmp_path):
    names = ("Train", "Test", "Tree")
    root = write(tmp_path / "texts", {name: sentences(name) for name in names})
    assert load(root).classes == ["Test", "Train", "Tree"]


def test_hidden_folders_and_links_in_a_circle_hold_no_documents(tmp_path):
    names = ("a", "b", ".ipynb_checkpoints/a-checkpoint", "__MACOSX/a", "wandb/requirements")
    root = write(tmp_path / "texts", {name: sentences(name) for name in names})
    (tmp_path / "texts" / "loop").symlink_to(tmp_path / "texts")
    assert load(root).classes == ["a", "b"]


def test_too_few_large_documents_are_refused(tmp_path):
    root = write(tmp_path / "texts", {"a": sentences("a"), "b": sentences("b", 9), "c": []})
    assert refused(root) == (
        "dataset.root: 1 of 3 documents have 10 sentences; "
        "at least 2 are needed (dataset.min_sentences)"
    )


def test_a_class_without_a_dev_point_is_refused(tmp_path):
    root = write(tmp_path / "texts", {"a": sentences("a"), "b": sentences("b", 4)})
    assert refused(root, min_sentences=3) == (
        "dataset documents: class 'b' has no dev point; give it more points"
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    root = write(tmp_path / "texts", {"a": sentences("a"), "b": sentences("b")})
    (tmp_path / "texts" / "c.txt").mkdir()
    assert refused(root) == f"{tmp_path}/texts/c.txt is not a regular file; remove or replace it"
    (tmp_path / "texts" / "c.txt").rmdir()
    (tmp_path / "texts" / "c.txt").symlink_to("nowhere")
    assert refused(root).startswith(f"{tmp_path}/texts/c.txt links to no file")


def test_real_pages_are_running_text(real_data):
    dataset = load_with_defaults(
        "documents", root=str(real_data("Wiki-pages", 8)), min_sentences=30
    )
    assert dataset.notes[0].endswith("documents read as running text, split into sentences")
    assert len(dataset.classes) >= 4 and len(dataset.vocabulary) > 500
    assert int(dataset.train.points.offsets.diff().min()) > 0
