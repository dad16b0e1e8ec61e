"""Parsers of files and words from anybody, each with the inputs that it is tried on.

Most of an input is well-formed, so that its faults lie deep inside. A parser may raise DataError or
ConfigError; any other exception is a bug.
"""

import bz2
import copy
import gzip
import json
import lzma
import math
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from hypothesis import strategies as st

from crl.data.datasets.documents import guess_layout
from crl.data.errors import DataError
from crl.data.files.archive import read_files
from crl.data.files.atomic import _canonical_digest, sha256_of
from crl.data.text.decoding import read_text
from crl.data.text.labelled_lines import Columns, read_labelled
from crl.data.text.sentences import split_sentences
from crl.data.text.vector_files import glove_vectors
from crl.experiments.config.compose import combinations, compose_config, load_config
from crl.experiments.config.schema import GROUPS, SECTIONS
from crl.experiments.storage.manifest import read_manifest
from crl.experiments.storage.results import read_run

VOCABULARY = ["<pad>", "<unk>", "the", "cat", "new york", "é"]


@dataclass(frozen=True)
class Parser:
    """``read`` reads an input in a folder of its own.

    ``short``, ``long``: the number of cases in the fast and in the slow tests. ``refuses``: whether
    some of the short cases are refused.
    """

    name: str
    inputs: st.SearchStrategy[Any]
    read: Callable[[Path, Any], None]
    short: int
    long: int
    refuses: bool = True


# Word vectors

_numbers = st.one_of(
    st.sampled_from(
        ["0", "1", "-0.5", "1e-2", "1e99", "nan", "-inf", "1_0", "0x1", "٣", "²", "", "x"]
    ),
    st.floats().map(str),
    st.integers().map(str),
)
_words = st.one_of(st.sampled_from([*VOCABULARY, "4", "²", "٣", ""]), st.text(max_size=5))
_rows = st.builds(
    lambda word, numbers: " ".join([word, *numbers]), _words, st.lists(_numbers, max_size=4)
)
_whole_rows = st.builds(
    lambda word, numbers: " ".join([word, *map(str, numbers)]),
    st.sampled_from(VOCABULARY),
    st.tuples(*[st.floats(-9, 9)] * 2),
)
_lines = st.one_of(
    st.lists(_whole_rows, min_size=1, max_size=6),
    st.lists(st.one_of(_whole_rows, _rows, st.text(max_size=20)), max_size=6),
)
_vector_files = st.one_of(
    st.builds(
        lambda lines, end: end.join(lines).encode("utf-8", "surrogatepass"),
        _lines,
        st.sampled_from(["\n", "\r\n"]),
    ),
    st.binary(max_size=200),
)


def _read_vectors(folder: Path, body: bytes) -> None:
    path = folder / "vectors.txt"
    path.write_bytes(body)
    vectors, found, _ = glove_vectors(path, VOCABULARY)
    assert torch.isfinite(vectors).all() and found.any() and not found[:2].any()
    assert not vectors[~found].any()


# Texts

_pieces = st.sampled_from(
    [
        "Mr. ",
        "e.g. ",
        "A. ",
        ". ",
        "! ",
        '?" ',
        "\n",
        "\n\n",
        "\r",
        "\x85",
        "\u2028",
        " ",
        "Ä",
        "a",
        "1",
        "(",
    ]
)
_texts = st.one_of(
    st.lists(st.one_of(_pieces, _pieces, st.text(max_size=5)), max_size=30)
    .map("".join)
    .map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=200),
)


def _read_documents(folder: Path, body: bytes) -> None:
    path = folder / "text.txt"
    path.write_bytes(body)
    text = read_text(path)
    assert guess_layout([text]) in ("lines", "running")
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())  # nothing is lost
    assert all(sentence and sentence == " ".join(sentence.split()) for sentence in sentences)


_labelled_pieces = st.sampled_from(
    [
        "pos",
        "DESC:",
        "sub ",
        "__label__",
        " ",
        "\t",
        ",",
        ";",
        '"',
        '""',
        "\n",
        "label",
        "text",
        "\0",
    ]
)
_labelled = st.lists(st.one_of(_labelled_pieces, st.text(max_size=4)), max_size=40).map("".join)


def _read_labelled(folder: Path, text: str) -> None:
    refusals = []
    for name in ("a.csv", "a.tsv", "a.txt"):
        for given in (None, "1", "text"):
            try:
                found = read_labelled(name, text, Columns(None, given), name != "a.txt")
            except DataError as error:
                refusals.append(error)
            else:
                assert all(label and label == label.strip() for label, _ in found.pairs)
    if len(refusals) == 9:
        raise refusals[0]


# Archives

_kinds = st.sampled_from([bytes([kind]) for kind in b"00001234567LKSVxXgAD\0"])
_names = st.one_of(
    st.sampled_from(["a.txt", "b/c.txt", "../d.txt", "/e.txt", "a\nb.txt", ".f.txt"]),
    st.text(max_size=12),
)
_records = st.one_of(
    st.binary(max_size=60),
    st.tuples(
        st.sampled_from(
            [
                "path",
                "size",
                "linkpath",
                "mtime",
                "hdrcharset",
                "GNU.sparse.map",
                "GNU.sparse.size",
                "GNU.sparse.major",
                "GNU.sparse.minor",
                "GNU.sparse.realsize",
                "GNU.sparse.name",
                "",
            ]
        ),
        st.one_of(
            st.integers(-9, 2**40).map(str),
            st.text(max_size=9),
            st.sampled_from(["1,2,3", "BINARY", "1e9", "nan"]),
        ),
    ).map(lambda record: _record(*record)),
)


def _record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode("utf-8", "surrogatepass")
    length = len(body) + 1
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


@st.composite
def _members(draw: st.DrawFn) -> bytes:
    """A header with a checksum that fits, fields that may not, and what may or may not be behind
    it."""
    kind = draw(_kinds)
    body = (
        b"".join(draw(st.lists(_records, max_size=4)))
        if kind in b"xXg"
        else draw(st.binary(max_size=40))
    )
    info = tarfile.TarInfo(draw(_names))
    info.type, info.size = (
        kind,
        draw(st.one_of(st.just(len(body)), st.just(len(body)), st.integers(0, 8**11 - 1))),
    )
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogatepass")[-512:])
    for place, value in draw(
        st.lists(st.tuples(st.integers(0, 511), st.integers(0, 255)), max_size=3)
    ):
        header[place] = value
    if draw(st.integers(0, 9)):
        header[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(header))[0]
    return bytes(header) + body + bytes(-len(body) % 512)


@st.composite
def _archives(draw: st.DrawFn) -> bytes:
    whole = b"".join(draw(st.lists(_members(), max_size=4))) + bytes(
        draw(st.sampled_from([1024, 1024, 0, 100]))
    )
    packed = draw(st.sampled_from([bytes, bytes, gzip.compress, bz2.compress, lzma.compress]))(
        whole
    )
    if packed and draw(st.booleans()):
        place = draw(st.integers(0, len(packed) - 1))
        packed = draw(
            st.sampled_from(
                [
                    packed[:place],
                    packed[:place] + b"?" + packed[place + 1 :],
                    packed + packed[place:],
                ]
            )
        )
    return packed


def _read_archive(folder: Path, body: bytes) -> None:
    path = folder / "any.tar"
    path.write_bytes(body)
    assert all(isinstance(c, bytes) for c in read_files(path, str, "an archive").values())
    assert [file.name for file in folder.iterdir()] == ["any.tar"]


# Run folders and manifests: whole ones with a part replaced

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            2**70,
            1e308,
            float("inf"),
            "${oc.env:HOME}",
            "???",
            "a/../b",
            "\0",
            "1e3",
            "glyphs",
            "contrastive",
        ]
    ),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every entry of nested dicts and lists."""
    for key, inner in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield value, key
        yield from _places(inner)


@st.composite
def _forged(draw: st.DrawFn, original: Any) -> Any:
    """The original with up to three entries replaced, removed or added."""
    forged = copy.deepcopy(original)
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(forged))
        if not places:
            return draw(_values)
        parent, key = places[draw(st.integers(0, len(places) - 1))]
        if draw(st.booleans()):
            parent[key] = draw(_values)
        elif isinstance(parent, dict) and draw(st.booleans()):
            parent[draw(st.text(max_size=5))] = draw(_values)
        else:
            del parent[key]
    return forged


def _texts_of(original: Any, write: Callable[[Any], str]) -> st.SearchStrategy[bytes]:
    """Files of forged originals; some are damaged as text too."""

    @st.composite
    def texts(draw: st.DrawFn) -> bytes:
        text = write(draw(_forged(original))).encode("utf-8", "surrogatepass")
        if text and draw(st.integers(0, 4)) == 0:
            place = draw(st.integers(0, len(text) - 1))
            text = (
                text[:place] + draw(st.binary(max_size=3)) + text[place + draw(st.integers(0, 3)) :]
            )
        return text

    return texts()


_CONFIG = asdict(compose_config([]))
_BOUND = {"left": 0.4, "right": 0.5, "slack": 0.1, "exact": True, "standard_error": 0.0}
_RESULT = {
    "schema": 1,
    "name": "glyphs-small_cnn-contrastive-00000000",
    "config_hash": "00000000",
    "seed": 0,
    "dataset": {
        "name": "glyphs",
        "classes": 100,
        "train_points": 90,
        "test_points": 10,
        "fingerprint": "0" * 16,
    },
    "metrics": {"test.mean.avg2": 0.9, "test.linear.avg2": 0.9, "dev.loss": 1.0, "dev.step": 3},
    "theory": {"tau": 0.01, "lemma_4_3": _BOUND, "train": {"tau": 0.01, "lemma_4_3": _BOUND}},
    "warnings": [
        {"kind": "leak", "message": "3 of 9 test points are train points too", "share": 0.3}
    ],
    "map": {
        "method": "pca",
        "variance": [0.5, 0.2],
        "classes": [3, 7],
        "labels": [3, 7, 7],
        "points": [[1.0, 0.5], [-0.5, 0.0], [0.1, 0.2]],
        "means": [[1.0, 0.5], [-0.2, 0.1]],
    },
    "timing": {"train_seconds": 1.5},
    "environment": {
        "command": ["crl", "train"],
        "versions": {"crl": "0"},
        "device": "cpu",
        "commit": None,
    },
}
_MANIFEST = {
    "schema": 1,
    "title": "a title",
    "command": ["crl", "reproduce"],
    "studies": [
        {
            "name": "table2",
            "dataset": "glyphs",
            "cells": [{"labels": {"method": "CURL", "b": 2}, "runs": ["runs/a/seed0"]}],
        }
    ],
}


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, allow_unicode=True)


def _read_run(folder: Path, files: tuple[bytes, bytes, bytes]) -> None:
    for name, body in zip(("result.json", "config.yaml", "metrics.jsonl"), files, strict=True):
        (folder / name).write_bytes(body)
    # Checksums are not secret: a forger can forge them too.
    with suppress(ValueError, AttributeError):
        result = json.loads(files[0])
        result.setdefault(
            "files", {name: sha256_of(folder / name) for name in ("config.yaml", "metrics.jsonl")}
        )
        (folder / "result.json").write_text(
            json.dumps(result | {"checksum": _canonical_digest(result)})
        )
    run = read_run(folder)
    assert run is not None and run.seed >= 0 and run.name and run.dataset
    assert all(math.isfinite(value) for value in run.metrics.values())
    assert all(
        run.theory("lemma_4_3", "slack", split=split) is not False for split in ("train", "test")
    )
    assert all(isinstance(line, dict) for line in run.curve())
    assert all(isinstance(doubt["kind"] + doubt["message"], str) for doubt in run.warnings)
    if found := run.result.get("map"):
        assert set(found["classes"]) == set(found["labels"]) and len(found["labels"]) == len(
            found["points"]
        )
        assert all(abs(x) <= 1 and abs(y) <= 1 for x, y in [*found["points"], *found["means"]])


def _read_manifest(folder: Path, body: bytes) -> None:
    path = folder / "any.study.json"
    path.write_bytes(body)
    found = read_manifest(path)
    assert all(
        isinstance(run, Path)
        for study in found.studies
        for cell in study.cells
        for run in cell.runs
    )


def _load_config(folder: Path, body: bytes) -> None:
    path = folder / "config.yaml"
    path.write_bytes(body)
    assert load_config(path).seed >= 0


# Overrides

_options = sorted(
    {
        name
        for group, schemas in [
            *((group, [c.options for c in choices.values()]) for group, choices in GROUPS.items()),
            ("evaluation", [SECTIONS["evaluation"]]),
            ("runtime", [SECTIONS["runtime"]]),
        ]
        for schema in schemas
        for name in (f"{group}.{field}" for field in schema.__dataclass_fields__)
    }
)
_keys = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "", "", "+", "++", "~", "-", " "]),
        st.one_of(
            st.sampled_from(
                [
                    *(*GROUPS, "evaluation", "runtime", "experiment", "training.steps"),
                    *("training", "seed", "run_dir", "force"),
                ]
            ),
            st.sampled_from(_options),
            st.sampled_from(
                [
                    "hydra",
                    "hydra/launcher",
                    "hydra.x",
                    "rate",
                    "preset",
                    "schema",
                    "_target_",
                    "x",
                    "x.y",
                ]
            ),
            st.text(max_size=5),
        ),
        st.sampled_from(["", "", "", "", "@x", ".x", "._target_", ":", "/x"]),
    ),
)
_atoms = st.one_of(
    st.sampled_from(
        [
            *GROUPS["dataset"],
            *GROUPS["encoder"],
            "contrastive",
            "table1_cifar100",
            "null",
            "true",
            "3",
            "0.5",
            "-1",
            "1e400",
            "nan",
            "[2,5]",
        ]
    ),
    st.sampled_from(
        [
            "${seed}",
            "${oc.env:HOME}",
            "${oc.env:NO}",
            "${oc.decode:'['}",
            "${hydra:job.name}",
            "${x:",
            "???",
            "${.}",
        ]
    ),
    st.sampled_from(
        [
            "range(3)",
            "choice(1,2)",
            "interval(0,1)",
            "glob(*)",
            "sort(2,1)",
            "int(x)",
            "extend_list(1)",
            "a,b",
            "tag(a,1)",
        ]
    ),
    st.sampled_from(
        [
            "{a: 1}",
            "{_target_: os.mkdir}",
            "[[",
            "'",
            '"',
            "\\",
            "{",
            "[{a: [1]}]",
            "'a b'",
            "!!python/name:os.system",
        ]
    ),
    st.text(max_size=8),
)
_whole = st.sampled_from(
    ["seed=3", "training.steps=5", "objective.block_size=3", "dataset=docstrings", "encoder=gru",
     "evaluation.ks=[2,3]", "objective.loss=hinge", "optimizer=sgd", "objective=supervised",
     "run_dir='a b'", "seed=1,2", "optimizer.lr=1e-3"]
)  # fmt: skip
_words_given = st.builds(
    lambda key, equals, value: key + equals + value,
    _keys,
    st.sampled_from([*"====", "", "=="]),
    _atoms,
)
_overrides = st.lists(st.one_of(_whole, _whole, _words_given), min_size=1, max_size=3)


def _compose(folder: Path, overrides: list[str]) -> None:
    compose_config(overrides)


def _combine(folder: Path, overrides: list[str]) -> None:
    _, combined = combinations(overrides)
    assert combined


PARSERS = [
    Parser("vectors", _vector_files, _read_vectors, 150, 25_000),
    Parser("documents", _texts, _read_documents, 150, 25_000, refuses=False),
    Parser("labelled sentences", _labelled, _read_labelled, 150, 25_000),
    Parser("archives", _archives(), _read_archive, 100, 20_000),
    Parser("manifests", _texts_of(_MANIFEST, json.dumps), _read_manifest, 100, 20_000),
    Parser(
        "runs",
        st.tuples(
            _texts_of(_RESULT, json.dumps),
            _texts_of(_CONFIG, _yaml),
            _texts_of({"step": 1, "loss": 0.5}, json.dumps),
        ),
        _read_run,
        60,
        8_000,
    ),
    Parser("configurations", _texts_of(_CONFIG, _yaml), _load_config, 20, 2_000),
    Parser("overrides", _overrides, _compose, 15, 2_000),
    Parser("sweeps", _overrides, _combine, 15, 1_000),
]
