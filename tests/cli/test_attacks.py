"""Inputs as an attacker would send them: nothing is executed.

Each is refused in one line with exit code 2, or handled. The canary is a folder that a successful
attack would make.
"""

import json
import os
import pickle
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml

from crl.cli.main import main
from crl.data.files.atomic import save_tensors, sha256_of, write_checked_json

TINY = [
    "dataset.points_per_class=10",
    "dataset.test_per_class=2",
    "encoder.width=2",
    "training.steps=2",
]
TINY += ["evaluation.linear_steps=5", "runtime.progress=false"]
TEXT = ["evaluation.ks=[2]", "evaluation.tops=[1]", "evaluation.linear_steps=5", "training.steps=2"]
TEXT += [
    "runtime.progress=false",
    "objective.block_size=1",
    "dataset.min_count=1",
    "encoder.embedding_dim=4",
]


class Evil:
    """An object that makes the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], canary: Path) -> Callable[[list[str]], str]:
    """Return a function that runs wrong arguments, checks the refusal and returns its line."""

    def run(arguments: list[str]) -> str:
        capsys.readouterr()
        assert main(arguments) == 2, capsys.readouterr()
        captured = capsys.readouterr()
        said = [line for line in captured.err.splitlines() if line.startswith("crl: ")]
        assert len(said) == 1 and "Traceback" not in captured.err and captured.out == ""
        assert all(letter.isprintable() for letter in said[0])
        assert not canary.exists()
        return said[0]

    return run


@pytest.fixture
def stolen(finished_run: Path, tmp_path: Path) -> Path:
    """Return a copy of a finished run, to forge."""
    folder = tmp_path / "stolen"
    folder.mkdir()
    for path in finished_run.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def seal(folder: Path) -> None:
    """Renew the checksums, which are no secret: an attacker can forge them too."""
    result = json.loads((folder / "result.json").read_text())
    del result["checksum"]
    result["files"] = {name: sha256_of(folder / name) for name in result["files"]}
    write_checked_json(folder / "result.json", result)


@pytest.mark.parametrize(
    "wrap", [lambda evil: evil, lambda evil: {"progress": {"best": evil}, "vocabulary": None}]
)
@pytest.mark.parametrize("plain", [False, True])
def test_a_pickle_as_a_checkpoint_is_not_executed(
    stolen: Path, canary: Path, refused, wrap, plain: bool
) -> None:  # type: ignore[no-untyped-def]
    if plain:
        (stolen / "checkpoint.pt").write_bytes(pickle.dumps(wrap(Evil(canary))))
    else:
        save_tensors(stolen / "checkpoint.pt", wrap(Evil(canary)))
    assert "checkpoint.pt" in refused(["evaluate", str(stolen)])
    (stolen / "result.json").unlink()
    assert "checkpoint.pt" in refused(["train", *TINY, f"run_dir={stolen}"])
    with (stolen / "checkpoint.pt").open("rb") as stream:
        pickle.load(stream) if plain else torch.load(stream, weights_only=False)
    assert canary.exists()  # the attack works where pickles are executed


def test_a_pickle_in_the_cache_is_not_executed(
    tmp_path: Path, canary: Path, refused, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("CRL_DATA", str(tmp_path / "home"))
    assert main(["train", *TINY, f"run_dir={tmp_path / 'run'}"]) == 0
    (prepared,) = (tmp_path / "home" / "prepared").glob("*.pt")
    save_tensors(prepared, Evil(canary))  # type: ignore[arg-type]
    assert "is damaged" in refused(["train", *TINY, f"run_dir={tmp_path / 'other'}"])


@pytest.mark.parametrize(
    "state",
    [{}, [], 5, None, {"progress": 5}, {"progress": {"best": {}}}, {"progress": {"best": {"a": 1}}},
     {"progress": {"best": {"0.weight": torch.zeros(3)}}}],
)  # fmt: skip
def test_a_checkpoint_of_something_else_is_refused(stolen: Path, refused, state: object) -> None:  # type: ignore[no-untyped-def]
    save_tensors(stolen / "checkpoint.pt", state)  # type: ignore[arg-type]
    refused(["evaluate", str(stolen)])


YAML = {
    "an object": "seed: !!python/object/apply:os.mkdir [CANARY]",
    "an object of a new kind": "seed: !!python/object/new:os.mkdir [CANARY]",
    "a module": "seed: !!python/module:os",
    "a name": "seed: !!python/name:os.system",
    "an unknown tag": "seed: !evil 3",
    "a target": "_target_: os.mkdir\npath: CANARY",
    "aliases without end": "a: &a [x]\n"
    + "\n".join(f"{b}: &{b} [{f'*{a}, ' * 9}]" for a, b in pairwise("abcdefghi")),
    "an alias of itself": "a: &a [*a]",
    "an interpolation": "run_dir: ${oc.env:HOME}",
    "an interpolation in disguise": 'run_dir: "\\x24{oc.env:HOME}"',
    "depth": "a: " + "[" * 100_000,
    "another kind of key": "? [1, 2]\n: 3",
    "a list": "- 1",
    "no text": "\x00\x01",
}  # fmt: skip


@pytest.mark.parametrize("line", YAML.values(), ids=YAML)
@pytest.mark.parametrize("whole", [True, False])
def test_a_forged_configuration_is_refused(
    stolen: Path, canary: Path, refused, line: str, whole: bool
) -> None:  # type: ignore[no-untyped-def]
    before = "" if whole else (stolen / "config.yaml").read_text()
    (stolen / "config.yaml").write_text(before + "\n" + line.replace("CANARY", str(canary)) + "\n")
    seal(stolen)
    assert "config.yaml" in refused(["evaluate", str(stolen)])
    assert "config.yaml" in refused(["train", *TINY, f"run_dir={stolen}"])
    if whole or not line.startswith(("_target_", "? ")):  # the report ignores unknown keys
        refused(["report", str(stolen), f"out={stolen}/report"])
    assert not (stolen / "report").exists()


@pytest.mark.parametrize("group", ["dataset", "encoder", "objective", "optimizer", "evaluation"])
@pytest.mark.parametrize(
    "value", [None, 3, "text", [1], {"_target_": "os.mkdir", "path": "CANARY"}, {"name": ["a"]}]
)
def test_a_forged_group_is_refused(
    stolen: Path, canary: Path, refused, group: str, value: object
) -> None:  # type: ignore[no-untyped-def]
    config = yaml.safe_load((stolen / "config.yaml").read_text()) | {group: value}
    (stolen / "config.yaml").write_text(yaml.safe_dump(config).replace("CANARY", str(canary)))
    seal(stolen)
    assert "config.yaml" in refused(["evaluate", str(stolen)])


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"seed": 1e999}', "1" * 5000, '{"name": NaN}', "null", '"\\ud800"']
)
def test_a_forged_result_is_refused(stolen: Path, refused, text: str) -> None:  # type: ignore[no-untyped-def]
    (stolen / "result.json").write_text(text)
    refused(["evaluate", str(stolen)])
    refused(["train", *TINY, f"run_dir={stolen}"])
    refused(["report", str(stolen), f"out={stolen}/report"])


@pytest.mark.parametrize("name", ["result.json", "config.yaml", "checkpoint.pt"])
def test_a_pipe_among_the_files_of_a_run_does_not_block(stolen: Path, refused, name: str) -> None:  # type: ignore[no-untyped-def]
    (stolen / name).unlink()
    os.mkfifo(stolen / name)
    refused(["evaluate", str(stolen)])


MANIFESTS = [
    "[" * 100_000,
    '{"schema": 1, "title": "", "command": [], '
    '"studies": [{"name": "table2", "dataset": "glyphs", "cells": CELLS}]}',
    '{"schema": {"_target_": "os.mkdir"}}',
    '{"schema": 1, "title": 1e999, "command": {}, "studies": 5}',
]
CELLS = [
    '[{"labels": {"method": {"a": []}}, "runs": []}]',
    '[{"labels": [], "runs": ["\\u0000"]}]',
    '[{"labels": 3, "runs": []}]',
    '[{"labels": {}, "runs": [5]}]',
    '[{"labels": {}, "runs": ["LOOP/a"]}]',
    '[{"labels": {}, "runs": ["' + "a/" * 5000 + '"]}]',
]


@pytest.mark.parametrize(
    "text",
    [m for m in MANIFESTS if "CELLS" not in m] + [MANIFESTS[1].replace("CELLS", c) for c in CELLS],
)
def test_a_forged_manifest_is_refused(stolen: Path, refused, text: str) -> None:  # type: ignore[no-untyped-def]
    (stolen / "loop").symlink_to("loop")
    (stolen / "forged.study.json").write_text(text.replace("LOOP", "loop"))
    said = refused(["report", str(stolen), f"out={stolen}/report"])
    assert "forged.study.json" in said or "a/a/a" in said


OVERRIDES = [
    "+dataset._target_=os.mkdir",
    "+x._target_=os.mkdir",
    "++training._target_=os.mkdir",
    "+hydra.launcher._target_=os.mkdir",
    "hydra.job._target_=os.mkdir",
    "training={_target_: os.mkdir, path: CANARY}",
    "evaluation.ks=[{_target_: os.mkdir}]",
    "+x=[[{a: {_target_: os.mkdir}}]]",
    "+x={'_target_': os.mkdir}",
    "+x.y={\"_target_\": os.mkdir}",
    "dataset={name: glyphs, _target_: os.mkdir}",
    "hydra.searchpath=[file://CANARY]",
    "+hydra.callbacks.x={a: 1}",
    "hydra/launcher=joblib",
    "+hydra/job_logging=default",
    "--config-dir=CANARY",
    "-cp",
    "seed=${oc.env:NO_SUCH_VARIABLE}",
    "seed=${no_such_resolver:1}",
    "seed=${seed}",
    "seed=${hydra:runtime.cwd}",
    "run_dir=${oc.decode:'[1'}",
    "training.steps=${oc.env:PATH}",
    "seed=!!python/object/apply:os.mkdir",
    "[" * 5000,
    "+x=" + "[" * 5000,
    "+x=" + "[" * 200 + "]" * 200,
    "a" * 100_000,
    "seed=" + "9" * 5000,
    "evaluation.ks=[" + "9" * 400 + "]",
    "\x1b[2J=1",
    "seed=1\nforce=true",
    "\udcff=1",
    "=",
    "",
    "~",
    "dataset@training=glyphs",
    "dataset@=glyphs",
    "dataset=../../etc/passwd",
    "dataset=/etc/passwd",
    "+dataset=[glyphs,docstrings]",
]  # fmt: skip


@pytest.mark.parametrize(
    "override", OVERRIDES, ids=[override[:40].encode("ascii", "replace") for override in OVERRIDES]
)
def test_overrides_import_nothing_and_end_in_one_line(
    tmp_path: Path, canary: Path, refused, override: str
) -> None:  # type: ignore[no-untyped-def]
    override = override.replace("CANARY", str(canary))
    refused(["train", *TINY, f"output_dir={tmp_path / 'outputs'}", override])
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    "override",
    [
        "hydra.launcher._target_=os.mkdir",
        "+hydra.launcher.x._target_=os.mkdir",
        "hydra.launcher={_target_: os.mkdir}",
    ],
)
def test_a_launcher_is_chosen_by_name_only(tmp_path: Path, refused, override: str) -> None:  # type: ignore[no-untyped-def]
    assert "_target_" in refused(
        ["train", "-m", *TINY, "seed=0,1", override, f"output_dir={tmp_path / 'outputs'}"]
    )


@pytest.mark.parametrize(
    "override",
    [
        "evaluation._target_=os.mkdir",
        "runtime.x={_target_: os.mkdir}",
        "evaluation.ks=[{_target_: a}]",
    ],
)
def test_overrides_of_a_finished_run_import_nothing(stolen: Path, refused, override: str) -> None:  # type: ignore[no-untyped-def]
    refused(["evaluate", str(stolen), override])


@pytest.mark.parametrize(
    "place", ["~nobody-of-this-name/x", "n" * 5000, "/dev/null/x", "/proc/1/mem", "."]
)
@pytest.mark.parametrize("option", ["dataset.root", "run_dir", "output_dir", "encoder.glove_path"])
def test_paths_that_lead_nowhere(refused, option: str, place: str) -> None:  # type: ignore[no-untyped-def]
    if (option, place) == ("run_dir", "."):
        return
    given = [
        "dataset=documents",
        "encoder.embedding=glove",
        "encoder.glove_path=x",
        "dataset.root=/dev/null",
    ]
    refused(["train", *given, f"{option}='{place}'"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "~nobody-of-this-name"],
        ["reproduce", "output_dir=~nobody-of-this-name"],
        ["evaluate", "~nobody-of-this-name"],
        ["status", "~nobody-of-this-name"],
        ["geometry", "runs", "out=~nobody-of-this-name"],
        ["compare", "runs", "out=~nobody-of-this-name"],
        ["data", "build-wiki", "~nobody-of-this-name", "out"],
        ["data", "build-wiki", "dump.xml", "out", "titles=~nobody-of-this-name"],
        ["report", "n" * 5000],
        ["evaluate", "n" * 5000],
    ],
)
def test_folders_that_are_nowhere(refused, arguments: list[str]) -> None:  # type: ignore[no-untyped-def]
    refused(arguments)


def sentences(count: int) -> str:
    return "".join(f"This is sentence number {i} of many words.\n" for i in range(count))


def test_names_of_files_with_control_characters_are_data_and_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in (b"a\nb", b"\x1b[2Jc", b"\xffd", b"e\r\tf", b"g\xe2\x80\xaeh"):
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name + b".txt"))).write_text(sentences(20))
    (folder / "small\x1b[2J\n.txt").write_text("Only one.")
    given = [
        *TEXT,
        "dataset=documents",
        f"dataset.root={folder}",
        "dataset.min_sentences=10",
        "evaluation.shots=1",
    ]
    assert main(["train", *given, f"run_dir={tmp_path}/run"]) == 0
    error = capsys.readouterr().err
    assert "\x1b" not in error and "small\\x1b[2J\\n" in error
    run = tmp_path / "run\x1b[2J\n\udcff"
    (tmp_path / "run").rename(run)
    assert main(["evaluate", str(run)]) == 0
    assert main(["report", str(run), f"out={run}/report"]) == 0
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err


def test_a_root_with_control_characters_is_escaped(refused) -> None:  # type: ignore[no-untyped-def]
    said = refused(["train", "dataset=documents", "dataset.root='/no\x1b[2J\udcff where'"])
    assert "\\x1b[2J" in said


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: Path(path).symlink_to("/dev/zero"), os.mkdir]
)
@pytest.mark.parametrize("dataset", ["documents", "wiki3029", "labelled_documents", "image_folder"])
def test_what_is_no_file_among_the_data_neither_blocks_nor_fills_the_memory(
    tmp_path: Path, refused, dataset: str, make
) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "data"
    for place in ("a", "b", "train/a", "test/a", "train/unsup"):
        (folder / place).mkdir(parents=True)
    name = {"image_folder": "train/a/x.png", "labelled_documents": "train/a/x.txt"}.get(
        dataset, "x.txt"
    )
    make(folder / name)
    if dataset == "image_folder":
        (folder / "test" / "a" / "y.png").write_bytes(b"")
        (folder / "train" / "unsup").rmdir()
    assert "is not a regular file" in refused(
        ["train", f"dataset={dataset}", f"dataset.root={folder}"]
    )


def png(width: int, height: int) -> bytes:
    """Return an image whose header claims this many pixels, with hardly any data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


IMAGES = {
    "a bomb": png(2**31 - 1, 2**31 - 1),
    "a bomb that Pillow only warns of": png(12_000, 12_000),
    "no pixels": png(0, 0),
    "less than the header claims": png(2000, 2000),
    "a bitmap that claims too much": b"BM"
    + struct.pack("<IHHIIiiHH", 54, 0, 0, 54, 40, 2**30, 2**30, 1, 24)
    + bytes(24),
    "a map that claims too much": b"P6 99999999 99999999 255\n",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    b"(CANARY) (w) file closefile\nshowpage\n",
    "a TIFF of nonsense": b"II*\0\x08\0\0\0\xff\xff" + bytes(range(256)) * 9,
    "text": b"no image",
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("body", IMAGES.values(), ids=IMAGES)
def test_forged_images_are_refused(tmp_path: Path, canary: Path, refused, body: bytes) -> None:  # type: ignore[no-untyped-def]
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "1.png").write_bytes(
            body.replace(b"CANARY", os.fsencode(canary))
        )
    said = refused(["train", "dataset=image_folder", f"dataset.root={tmp_path / 'images'}"])
    assert "1.png cannot be read as an image (" in said


def test_a_text_of_one_gigantic_line_is_data(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "texts").mkdir(exist_ok=True)
        (tmp_path / "texts" / f"{name}.txt").write_text(
            sentences(20) + "word " * 200_000 + "x" * 1_000_000 + ".\n"
        )
    given = [
        *TEXT,
        "dataset=documents",
        f"dataset.root={tmp_path / 'texts'}",
        "dataset.min_sentences=10",
    ]
    assert main(["train", *given, "evaluation.shots=1", f"run_dir={tmp_path}/run"]) == 0


def test_a_document_that_would_fill_the_memory_is_refused(tmp_path: Path, refused) -> None:  # type: ignore[no-untyped-def]
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(sentences(20))
    os.truncate(tmp_path / "b.txt", 2**40)  # a sparse file, which takes no space on disk
    for dataset in ("documents", "wiki3029"):
        said = refused(["train", f"dataset={dataset}", f"dataset.root={tmp_path}"])
        assert f"b.txt has {2**40} bytes; a document has at most" in said


def test_word_vectors_of_one_gigantic_line_are_refused(tmp_path: Path, refused) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "texts").mkdir()
    for name in ("a", "b"):
        (tmp_path / "texts" / f"{name}.txt").write_text(sentences(20))
    vectors = tmp_path / "glove.txt"
    given = [
        "train",
        *TEXT,
        "dataset=documents",
        f"dataset.root={tmp_path / 'texts'}",
        "dataset.min_sentences=10",
    ]
    given += ["evaluation.shots=1", "encoder.embedding=glove", f"encoder.glove_path={vectors}"]
    vectors.write_text("sentence" + " 0.5" * 10**6)
    assert "longer than any word" in refused(given)
    vectors.write_bytes(b"")
    os.truncate(vectors, 2**40)
    assert "longer than any word" in refused(given)
    vectors.write_text("sentence" + " 1" * 9000)
    assert "9000 numbers a word; at most" in refused(given)
    vectors.write_text("1 999999999999\nsentence 1 2 3\n")
    assert "999999999999 numbers a word; at most" in refused(given)


def test_a_report_does_not_execute_what_runs_are_called(stolen: Path, tmp_path: Path) -> None:
    result = json.loads((stolen / "result.json").read_text())
    script = "<script>alert(1)</script>"
    result["name"], result["dataset"]["name"] = script, script
    result["environment"]["command"] = ["crl", script]
    (stolen / "result.json").write_text(json.dumps(result))
    seal(stolen)
    assert main(["report", str(stolen), f"out={tmp_path}/report"]) == 0
    for path in (tmp_path / "report").rglob("*"):
        if path.suffix in (".html", ".svg"):
            assert script not in path.read_text()
