"""Completion by the tab key: what a word can become, and the scripts of the shells."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crl.cli.main import VERBS, main
from crl.cli.shell_completion import completions
from crl.experiments.config.messages import choices

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("crl ", list(VERBS)),
        ("crl re", ["reproduce", "report"]),
        ("crl train dataset=", [f"dataset={name}" for name in choices("dataset")]),
        ("crl train dataset=do", ["dataset=docstrings", "dataset=documents"]),
        ("crl train encoder=gru dat", ["dataset.", "dataset="]),
        ("crl train training.st", ["training.steps="]),
        ("crl train training.steps=", ["training.steps=600"]),
        ("crl train dataset=imdb training.steps=", ["training.steps=1200"]),
        ("crl train dataset=imdb dataset.rev", ["dataset.review="]),
        ("crl train dataset.rev", []),
        ("crl train objective.loss=", ["objective.loss=hinge", "objective.loss=logistic"]),
        ("crl train runtime.compile=t", ["runtime.compile=true"]),
        ("crl train evaluation.ks=", ["evaluation.ks=[2,5]"]),
        ("crl train -m objective.loss=hinge,l", ["objective.loss=hinge,logistic"]),
        ("crl train -m dataset=glyphs,imdb encoder=vg", ["encoder=vgg16"]),
        ("crl train -m hydra/launcher=b", ["hydra/launcher=basic"]),
        ("crl train -m hyd", ["hydra/launcher=", "hydra/sweeper="]),
        ("crl train hyd", []),
        ("crl train pres", []),
        ("crl train --cfg ", ["job", "hydra", "all"]),
        ("crl train --config-dir ", []),
        ("crl train --config-dir /nowhere experiment=quick_g", []),
        ("crl train --multi", ["--multirun"]),
        ("crl train nonsense=1 seed", ["seed="]),
        ("crl train 'seed=range(0,3)' -m see", ["seed="]),
        ("crl train 'seed=", []),
        ("crl train dataset.root=", []),
        ("crl evaluate outp", []),
    ],
)
def test_what_a_word_can_become(line: str, found: list[str]) -> None:
    assert completions(line) == found


def test_own_experiments_are_offered(tmp_path: Path) -> None:
    file = tmp_path / "my files" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\nseed: 3\n")
    line = f"crl train --config-dir '{tmp_path}/my files' experiment="
    assert completions(f"{line}mi") == [
        "experiment=mine", "experiment=minority_collapse", "experiment=minority_collapse_glyphs",
    ]  # fmt: skip
    assert completions(f"{line}mine seed=") == ["seed=3"]


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """Return a folder with a program ``crl``, as an installation puts it on the path."""
    program = tmp_path / "bin" / "crl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m crl.cli.main "$@"\n')
    program.chmod(0o755)
    return program.parent


def bash(script: str, command: Path, *options: str) -> str:
    place = f"{command}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", *options, "-c", script],
        env=os.environ | {"PATH": place, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


INSTALL = 'eval "$(crl train --shell-completion install=bash)"\n'


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["crl", "st"], ["status "]),
        (["crl", "train", "dataset", "=", "gly"], ["glyphs "]),
        (["crl", "train", "encoder", "="], [f"{name} " for name in choices("encoder")]),
        (["crl", "train", "training.dev"], ["training.dev_every="]),
    ],
)
def test_bash_completes_behind_the_equals_sign(
    words: list[str], found: list[str], command: Path
) -> None:
    """bash breaks ``dataset=gly`` into three words and replaces the last one."""
    line = " ".join(words).replace(" = ", "=").replace(" =", "=")
    script = INSTALL + (
        f"COMP_LINE={line!r}; COMP_POINT={len(line)}\n"
        f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
        "_crl_complete\nprintf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert bash(script, command).splitlines() == found


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_installs_it_and_takes_it_away(command: Path) -> None:
    remove = 'eval "$(crl train -sc uninstall=bash)"\n'
    shown = bash(f"{INSTALL}complete -p crl\n{remove}complete -p crl || echo none", command, "-i")
    assert shown.splitlines() == [
        "complete -o default -o nospace -F _crl_complete crl", "none",
    ]  # fmt: skip


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_reads_the_scripts(shell: str, capsys: Captured) -> None:
    for task in ("install", "uninstall"):
        assert main(["train", "--shell-completion", f"{task}={shell}"]) == 0
        script = capsys.readouterr().out
        assert "_crl_complete" in script
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=script, check=True, text=True, capture_output=True)


def test_a_question_without_a_line_is_refused(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMP_LINE", raising=False)
    assert main(["train", "--shell-completion", "query=bash"]) == 2
    assert "COMP_LINE" in capsys.readouterr().err
