"""Built-in text: a document is a module of an installed package.

Its points are the sentences of its docstrings. Nothing is downloaded.
"""

import ast
import gc
import re
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from crl.data.dataset import Dataset, cached_dataset
from crl.data.datasets.documents import keep_large
from crl.data.errors import DataError
from crl.data.text.sentences import split_sentences
from crl.data.text.tokens import TextOptions, text_dataset

PACKAGES = {  # import name -> distribution
    "torch": "torch",
    "sympy": "sympy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "networkx": "networkx",
    "numpy": "numpy",
    "matplotlib": "matplotlib",
}
_SKIPPED = {"tests", "test", "testing", "site-packages", "dist-packages", "_vendor", "__pycache__"}
_SHORTEST = 30  # characters; sentences are longer on average
_WORDS = range(4, 60)  # words of a sentence; at least 4, as in Wiki-3029
_LONG_STRING = re.compile(rb'"""(.*?)"""', re.DOTALL)
_MARKUP = re.compile(r":[a-z:]+:`~?\.?([^`<]*)[^`]*`|``?([^`]*)``?|\*\*?([^*]+)\*\*?")

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def load_docstrings(*, sentences_per_document: int, **options: Any) -> Dataset:
    """Load the modules that have enough distinct sentences of their own, each as a class.

    sentences_per_document: a module with more sentences gives so many, spread evenly over it; one
    with fewer is left out. options: see :class:`crl.data.text.tokens.TextOptions`. The data depend
    on the options and the installed versions alone. Raises DataError for fewer than two modules.
    """
    text_options = TextOptions(**options)
    versions = {package: _version(distribution) for package, distribution in PACKAGES.items()}
    key = {
        "versions": {"python": sys.version, **versions},
        "sentences": sentences_per_document,
        "text": vars(text_options),
    }

    def make() -> Dataset:
        modules = tqdm(
            _modules(), desc="reading docstrings", unit="file", disable=None, leave=False
        )
        least = sentences_per_document * _SHORTEST
        # Syntax trees are millions of small objects without cycles: collection doubles the time.
        gc.disable()
        try:
            documents = {
                name: sentences
                for name, path in modules
                if (sentences := _sentences(path.read_bytes(), least))
            }
        finally:
            gc.enable()
        counts = Counter(s for sentences in documents.values() for s in sentences)
        # A sentence of several modules (inherited docstrings, shared parameters) has no class.
        own = {
            name: [s for s in sentences if counts[s] == 1] for name, sentences in documents.items()
        }
        large, _ = keep_large(own, sentences_per_document)
        if len(large) < 2:
            raise DataError(
                f"dataset.sentences_per_document: {len(large)} module(s) have "
                f"{sentences_per_document} sentences of their own; at least 2 are needed"
            )
        cut = {name: _spread(s, sentences_per_document) for name, s in large.items()}
        return text_dataset("docstrings", cut, text_options)

    return cached_dataset("docstrings", key, make)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "absent"


def _modules() -> list[tuple[str, Path]]:
    """(dotted name, source file) of every module; none is imported."""
    specs = ((package, find_spec(package)) for package in PACKAGES)
    roots = [
        (Path(sysconfig.get_path("stdlib")), ""),
        *((Path(s.origin).parent, f"{name}.") for name, s in specs if s is not None and s.origin),
    ]
    return [
        (prefix + ".".join(parts), path)
        for root, prefix in roots
        for path in sorted(root.rglob("*.py"))
        for parts in [path.relative_to(root).with_suffix("").parts]
        if not _SKIPPED.intersection(parts)
    ]


def _sentences(source: bytes, least: int) -> list[str]:
    """The distinct sentences of all docstrings in a source file.

    There are none if its long strings have fewer than ``least`` bytes: parsing takes most of the
    time.
    """
    if sum(map(len, _LONG_STRING.findall(source))) < least:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in strings of old code
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    sentences = (
        s
        for node in _documented(tree)
        for s in split_sentences(_prose(ast.get_docstring(node) or ""))
        if len(s.split()) in _WORDS
    )
    return list(dict.fromkeys(s for s in sentences if s[0].isalpha() and s[-1] in ".!?"))


def _documented(node: Documented) -> Iterator[Documented]:
    """The node and all classes and functions defined directly in a node that is yielded."""
    yield node
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documented(child)


def _prose(docstring: str) -> str:
    """The docstring without examples, underlines, directives, tables and markup."""
    return "\n".join(_prose_line(line.strip()) for line in docstring.splitlines())


def _prose_line(text: str) -> str:
    """The line without markup; nothing of a line that is no prose."""
    code = text.startswith((">>>", "..", "|", "+-", "@", ":"))
    header = re.fullmatch(r"[\w*, ]+ ?:( .*)?", text)  # "name : type", "Returns:"
    if code or header or not any(c.isalpha() for c in text):
        return ""
    return _MARKUP.sub(lambda m: m[1] or m[2] or m[3] or "", text)


def _spread(sentences: list[str], count: int) -> list[str]:
    """``count`` of the sentences, spread evenly."""
    return [sentences[i * len(sentences) // count] for i in range(count)]
