"""Every kind of process that crl starts, in a folder of files with the names of everybody.

Ours are imported where ours are meant, and the user's plug-in gets the user's. ``make test`` has
each kind of process once, in the running environment; ``make test-slow`` has all of them in fresh
installs, of the wheel and of the source.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch
from users_folder import TRAIN, environment, make

REPOSITORY = Path(__file__).resolve().parents[3]
SWEEP = ["crl", "train", "-m", *TRAIN]
# The kind of process -> the command, and the user's folder in which it is started.
COMMANDS: dict[str, tuple[list[str], str]] = {
    "command": (["crl", "train", *TRAIN], "packages"),
    "python -m": (["python", "-m", "crl.cli.main", "train", *TRAIN], "packages"),
    "joblib": (
        [*SWEEP, "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], "modules"
    ),
    "submitit": ([*SWEEP, "hydra/launcher=submitit_local"], "modules"),
    "devices": (["crl", "train", *TRAIN, "runtime.devices=2"], "modules"),
    "torchrun": (
        ["torchrun", "--nproc-per-node=2", "--standalone", "--no-python", "crl", "train", *TRAIN],
        "modules",
    ),
    # The plans of reproduce name encoders and objectives, so this is without the user's.
    "workers": (
        ["crl", "reproduce", "only=glyphs,fig2c", "seeds=1", "workers=1", "encoder.width=2",
         *(option for option in TRAIN if not option.startswith(("encoder", "objective")))],
        "modules",
    ),
}  # fmt: skip


slow = pytest.mark.slow


def check(kind: str, place: Path, programs: Path, *ours: Path) -> None:
    """Run the command of that kind; assert that every run is complete and nothing went wrong."""
    command, folder = COMMANDS[kind]
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    # The environment that a user of a folder with packages may have: PYTHONPATH=.
    first = [*ours, "."] if folder == "packages" else ours
    done = subprocess.run(
        [str(shutil.which(command[0], path=path)), *command[1:], f"output_dir={place}/out"],
        check=False, capture_output=True, text=True, timeout=300, cwd=place / folder,
        env=environment(place, *first) | {"PATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "their" not in done.stderr.replace("model=theirs", ""), done.stderr
    assert len(list(place.glob("out/runs/*/*/result.json"))) == (2 if kind == "joblib" else 1)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    make(tmp_path)
    return tmp_path


# make test-slow has all kinds, here and in fresh installs.
@pytest.mark.parametrize(
    "kind",
    [
        kind if kind in ("command", "submitit", "workers") else pytest.param(kind, marks=slow)
        for kind in COMMANDS
    ],
)
def test_in_the_running_environment(kind: str, place: Path) -> None:
    """The code is linked: a checkout on the path would have a folder ``data`` too."""
    (place / "ours").mkdir()
    (place / "ours" / "crl").symlink_to(REPOSITORY / "crl")
    (place / "bin").mkdir()
    crl = f"#!{sys.executable}\nimport sys\nfrom crl.cli.main import main\n"
    crl += "if __name__ == '__main__':\n    sys.exit(main())\n"  # as pip writes it
    (place / "bin" / "crl").write_text(crl)
    (place / "bin" / "crl").chmod(0o755)
    check(kind, place, place / "bin", place / "ours")


def test_a_copy_without_links_is_answered_in_one_line(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "crl", tmp_path / "crl", symlinks=True)
    for link in [path for path in (tmp_path / "crl").iterdir() if path.is_symlink()]:
        target = link.readlink()
        link.unlink()
        link.write_text(str(target))  # what tools without links leave
    done = subprocess.run(
        [sys.executable, "-m", "crl.cli.main", "--help"],
        check=False, capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and "must be links" in line


def source(place: Path) -> Path:
    """A copy of the files of the project that an install reads, links included."""
    place.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, place)
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("crl", "cli", "configs", "data", "experiments"):
        shutil.copytree(REPOSITORY / name, place / name, symlinks=True, ignore=ignored)
    return place


def archive(place: Path) -> Path:
    """The sdist, unpacked."""
    code = "from setuptools.build_meta import build_sdist; build_sdist('dist')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=source(place), capture_output=True)
    (packed,) = (place / "dist").iterdir()
    with tarfile.open(packed) as members:
        members.extractall(place / "unpacked", filter="data")
    (unpacked,) = (place / "unpacked").iterdir()
    return unpacked


@pytest.fixture(scope="module", params=["wheel", "editable", "sdist"])
def programs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment in which crl is installed so.

    It finds all other packages, such as torch, where the running environment has them.
    """
    place = tmp_path_factory.mktemp("install")
    kind = request.param
    given = archive(place / "source") if kind == "sdist" else source(place / "source")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], check=True)
    programs = place / "venv" / "bin"
    packages = next((place / "venv").glob("lib/python*/site-packages"))
    (packages / "others.pth").write_text(str(Path(torch.__file__).parents[1]))
    install = ["-m", "pip", "--python", programs / "python", "install", "--quiet", "--no-deps",
               "--no-build-isolation", "--force-reinstall"]  # fmt: skip
    how = ["--editable"] if kind == "editable" else []
    subprocess.run([sys.executable, *install, *how, given], check=True)
    torchrun = f"#!{programs}/python\nfrom torch.distributed.run import main\nmain()\n"
    (programs / "torchrun").write_text(torchrun)
    (programs / "torchrun").chmod(0o755)
    return programs


@pytest.mark.slow
@pytest.mark.parametrize("kind", COMMANDS)
def test_in_a_fresh_install(kind: str, programs: Path, place: Path) -> None:
    check(kind, place, programs)
