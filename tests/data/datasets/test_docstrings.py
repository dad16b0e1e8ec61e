"""Built-in text: the docstrings of installed packages."""

import ast
import sys

import pytest
from dataset_defaults import load
from hypothesis import given
from hypothesis import strategies as st

from crl.data.datasets import docstrings
from crl.data.datasets.docstrings import _documented, _modules, _prose, _sentences, _spread
from crl.data.errors import DataError

SOURCE = b'''
"""The module says this here. And it says that too."""
def function():
    """A function says something as well.

    >>> code(that, nobody, counts, here)
    x : a parameter of some type
        Its description is a sentence too.
    """
    def inner():
        """Inside a function directly it counts."""
    if True:
        def hidden():
            """Inside a branch it does not count."""
class Class:
    """The class says it in :class:`~a.b.Words` and ``code`` here.

    The module says this here.
    """
    def method(self):
        """lower case starts a sentence as well. Too short."""
    def undocumented(self):
        text = """This is a string and no docstring."""
'''


def test_sentences_of_a_source_file():
    assert _sentences(SOURCE, 0) == [
        "The module says this here.",
        "And it says that too.",
        "A function says something as well.",
        "Its description is a sentence too.",
        "Inside a function directly it counts.",
        "The class says it in a.b.Words and code here.",
        "lower case starts a sentence as well.",
    ]


def test_a_source_with_too_little_text_is_not_even_parsed(monkeypatch):
    length = sum(map(len, docstrings._LONG_STRING.findall(SOURCE)))
    assert _sentences(SOURCE, length)
    monkeypatch.setattr(ast, "parse", None)
    assert _sentences(SOURCE, length + 1) == []


@pytest.mark.parametrize(
    "source",
    [b"def broken(:", b'"""One two three four."""\0', b'"""One two\xff three four."""', b""],
)
def test_a_source_that_does_not_parse_has_no_sentences(source):
    assert _sentences(source, 0) == []


def test_only_sentences_of_4_to_59_words_between_a_letter_and_a_stop_count():
    lines = [
        "Too short this.",
        "Just long enough here.",
        "3 does not start it.",
        "It does not end here",
        "Is it a question?",
    ]
    lines += ["Word " * 58 + "end.", "Word " * 59 + "end.", "It is not without end!"]
    source = '"""' + "\n\n".join(lines) + '"""'
    expected = [
        "Just long enough here.",
        "Is it a question?",
        "Word " * 58 + "end.",
        "It is not without end!",
    ]
    assert _sentences(source.encode(), 0) == expected


def test_documented_are_the_node_and_what_is_defined_directly_inside():
    names = [getattr(node, "name", "module") for node in _documented(ast.parse(SOURCE))]
    assert names == ["module", "function", "inner", "Class", "method", "undocumented"]


@pytest.mark.parametrize(
    ("line", "prose"),
    [
        ("  Plain words stay.  ", "Plain words stay."),
        (">>> code()", ""),
        ("... more", ""),
        (".. note:: this", ""),
        (":param x: this", ""),
        ("@param x", ""),
        ("| a | table |", ""),
        ("+---+", ""),
        ("=======", ""),
        ("1 2 3", ""),
        ("Returns:", ""),
        ("x, y : int, optional", ""),
        ("*args : object", ""),
        ("Note: what follows a colon is gone.", ""),
        (
            "This is a list of what follows, e.g.: one.",
            "This is a list of what follows, e.g.: one.",
        ),
        ("See :func:`~torch.add` and :py:class:`.Tensor`.", "See torch.add and Tensor."),
        ("See :ref:`the notes <notes>` first.", "See the notes  first."),
        ("Call ``f(x)`` or `g` with **care** and *joy*.", "Call f(x) or g with care and joy."),
        ("", ""),
    ],
)
def test_prose_of_a_line(line, prose):
    assert _prose(line) == prose
    assert _prose(f"Before.\n{line}\nAfter.") == f"Before.\n{prose}\nAfter."


@given(st.integers(1, 300), st.data())
def test_spread_takes_the_first_and_so_on_evenly(length, data):
    count = data.draw(st.integers(1, length))
    taken = _spread([str(i) for i in range(length)], count)
    places = [int(place) for place in taken]
    assert places == sorted(set(places)) and len(places) == count and places[0] == 0
    gaps = [b - a for a, b in zip(places, [*places[1:], length], strict=True)]
    assert max(gaps) - min(gaps) <= 1


def test_modules_are_found_and_not_imported():
    before = set(sys.modules)
    found = _modules()
    assert set(sys.modules) == before
    paths = dict(found)
    assert len(paths) == len(found) > 1000
    assert {"argparse", "numpy.ma.core", "torch.nn.functional", "networkx.classes.graph"} <= set(
        paths
    )
    assert all(path.suffix == ".py" for path in paths.values())
    assert not any({"tests", "site-packages"} & set(name.split(".")) for name in paths)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Three modules instead of the installed ones: alpha, beta, and small (too few sentences)."""
    monkeypatch.setenv("CRL_DATA", str(tmp_path / "cache"))
    words = [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ]
    modules = []
    for name, count in (("pkg.beta", 12), ("pkg.alpha", 12), ("pkg.small", 9)):
        own = [f"Module {name[4:]} counts from zero to {word}." for word in words[:count]]
        path = tmp_path / f"{name}.py"
        path.write_text('"""' + "\n\n".join(["All of the modules say this.", *own]) + '"""')
        modules.append((name, path))
    monkeypatch.setattr(docstrings, "_modules", lambda: modules)
    return modules


def test_modules_with_enough_sentences_of_their_own_are_the_classes(package):
    dataset = load("docstrings", sentences_per_document=12, min_count=1)
    assert dataset.classes == ["pkg.alpha", "pkg.beta"]
    assert [s.sizes.tolist() for s in (dataset.train, dataset.dev, dataset.test)] == [
        [9, 9],
        [1, 1],
        [2, 2],
    ]
    assert {"alpha", "beta"} <= set(dataset.vocabulary) and "say" not in dataset.vocabulary
    cut = load("docstrings", sentences_per_document=10, min_count=1)
    assert [s.sizes.tolist() for s in (cut.train, cut.dev, cut.test)] == [[7, 7], [1, 1], [2, 2]]


def test_nothing_is_read_twice(package, monkeypatch):
    first = load("docstrings", sentences_per_document=12, min_count=1)
    monkeypatch.setattr(docstrings, "_sentences", None)
    assert (
        load("docstrings", sentences_per_document=12, min_count=1).fingerprint()
        == first.fingerprint()
    )


def test_too_few_modules_are_refused(package):
    with pytest.raises(DataError) as error:
        load("docstrings", sentences_per_document=13)
    assert str(error.value) == (
        "dataset.sentences_per_document: 0 module(s) have 13 sentences of their own; "
        "at least 2 are needed"
    )


def test_the_installed_packages_give_real_prose(tmp_path, monkeypatch):
    monkeypatch.setenv("CRL_DATA", str(tmp_path))
    monkeypatch.setattr(
        docstrings, "PACKAGES", {"networkx": "networkx", "no_such_package": "no-such-package"}
    )
    dataset = load("docstrings", sentences_per_document=80)
    assert {"networkx.classes.graph", "tarfile"} <= set(dataset.classes)
    sizes = dataset.train.sizes + dataset.dev.sizes + dataset.test.sizes
    assert sizes.unique().tolist() == [80] and len(dataset.classes) > 30
    lengths = dataset.train.points.offsets.diff()
    assert lengths.min() >= 4 and 10 < lengths.double().mean() < 30
    assert "the" in dataset.vocabulary[2:6]
