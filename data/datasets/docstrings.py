"""Built-in text: a document is a module of an installed package, its points are the sentences of
its docstrings."""

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

from tqdm import tqdm

from data.dataset import Dataset
from data.datasets.cached import prepared
from data.datasets.documents import keep_large
from data.errors import DataError
from data.text.sentences import split_sentences
from data.text.tokens import TextOptions, text_dataset

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
_SHORTEST = 30  # characters a sentence has on average at the very least
_WORDS = range(4, 60)  # a point has at least 4 words, as in Wiki-3029
_LONG_STRING = re.compile(rb'"""(.*?)"""', re.DOTALL)
_MARKUP = re.compile(r":[a-z:]+:`~?\.?([^`<]*)[^`]*`|``?([^`]*)``?|\*\*?([^*]+)\*\*?")

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def load_docstrings(sentences_per_document: int, **text: object) -> Dataset:
    """Modules with at least that many distinct sentences, each cut to that many; deterministic
    given the versions."""
    options = TextOptions(**text)  # type: ignore[arg-type]
    versions = {
        "python": sys.version,
        **{package: _version(PACKAGES[package]) for package in PACKAGES},
    }
    key = {"versions": versions, "sentences": sentences_per_document, "text": vars(options)}

    def make() -> Dataset:
        modules = tqdm(
            _modules(), desc="reading docstrings", unit="file", disable=None, leave=False
        )
        least = sentences_per_document * _SHORTEST
        # a syntax tree is a million small objects and no cycle: collecting doubles the time
        gc.disable()
        try:
            documents = {
                name: found
                for name, path in modules
                if (found := _sentences(path.read_bytes(), least))
            }
        finally:
            gc.enable()
        seen = Counter(sentence for found in documents.values() for sentence in found)
        # A sentence of several modules (inherited docstrings, shared parameters) belongs to no
        # class.
        own = {name: [s for s in found if seen[s] == 1] for name, found in documents.items()}
        large, _ = keep_large(own, sentences_per_document)
        if len(large) < 2:
            raise DataError(
                f"dataset.sentences_per_document: {len(large)} module(s) have {sentences_per_document} sentences "
                "of their own; at least 2 are needed"
            )
        cut = {name: _spread(found, sentences_per_document) for name, found in large.items()}
        return text_dataset("docstrings", cut, options)

    return prepared("docstrings", key, make)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "absent"


def _modules() -> list[tuple[str, Path]]:
    """(dotted name, source file) of every module, found without importing any."""
    roots = [(Path(sysconfig.get_path("stdlib")), "")]
    for package in PACKAGES:
        spec = find_spec(package)
        if spec is not None and spec.origin:
            roots.append((Path(spec.origin).parent, f"{package}."))
    found = []
    for root, prefix in roots:
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if not _SKIPPED.intersection(parts):
                found.append((prefix + ".".join(parts), path))
    return found


def _sentences(source: bytes, least: int) -> list[str]:
    """Distinct sentences of all docstrings in a source file; none if its strings have fewer than
    ``least`` bytes."""
    if sum(map(len, _LONG_STRING.findall(source))) < least:
        return []  # parsing is what takes the time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in other people's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    docstrings = [docstring for node in _documented(tree) if (docstring := ast.get_docstring(node))]
    sentences = (
        s
        for docstring in docstrings
        for s in split_sentences(_prose(docstring))
        if len(s.split()) in _WORDS
    )
    return list(dict.fromkeys(s for s in sentences if s[0].isalpha() and s[-1] in ".!?"))


def _documented(node: Documented) -> Iterator[Documented]:
    """The node and every class and function defined directly inside one."""
    yield node
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documented(child)


def _prose(docstring: str) -> str:
    """The docstring without examples, underlines, directives, tables and markup."""
    lines = []
    for line in docstring.splitlines():
        text = line.strip()
        code = text.startswith((">>>", "...", "..", "|", "+-", "@", ":")) or (
            text and not any(c.isalpha() for c in text)
        )
        header = re.fullmatch(r"[\w*, ]+ ?:( .*)?", text)  # "name : type", "Returns:"
        lines.append(
            "" if code or header else _MARKUP.sub(lambda m: m[1] or m[2] or m[3] or "", text)
        )
    return "\n".join(lines)


def _spread(sentences: list[str], count: int) -> list[str]:
    """count of the sentences, spread evenly over the module."""
    return [sentences[i * len(sentences) // count] for i in range(count)]
