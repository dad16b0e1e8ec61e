"""A full disk or a folder that cannot be written ends a run with one line.

What was complete stays, and the same command goes on.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Ended, ForkServer, Undisturbed, same
from waiting import until

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to mount"
)


def one_line(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended.text
    assert ended.last.startswith("crl: ") and all(word in ended.last for word in words), ended.last
    assert "Traceback" not in ended.text


def test_a_file_that_grows_too_large(crl: ForkServer, images: Undisturbed, tmp_path: Path) -> None:
    """As on a full disk, but for the checkpoint alone: only that file is so large."""
    size = (images.folder / "checkpoint.pt").stat().st_size
    (cache,) = (images.cache / "prepared").glob("*.pt")
    run = tmp_path / "run"
    command = [*images.command, f"run_dir={run}"]
    shutil.copytree(images.cache, tmp_path / "cache")
    for largest in (
        9000,
        size // 2,
        size - 1,
    ):  # the first one at its start or later, and the last one at its end
        ended = crl.run(*command, cache=tmp_path / "cache", largest_file=largest)
        one_line(ended, 1, f"{run}/checkpoint.pt cannot be written", "the same command goes on")
        assert not list(run.rglob("*.tmp"))
    ended = crl.run(*command, cache=tmp_path / "other", largest_file=cache.stat().st_size - 1)
    one_line(ended, 2, f"cache {tmp_path}/other/prepared: ", "CRL_DATA")
    assert not list((tmp_path / "other").rglob("*.pt*.tmp")) and not list(
        (tmp_path / "other").rglob("*.pt")
    )
    assert crl.run(*command, cache=tmp_path / "other").code == 0
    assert same(run, images)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory that has room for one checkpoint, but not for a second."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def leave(place: Path, size: int) -> None:
    """Fill the disk up to this many free bytes."""
    free = shutil.disk_usage(place).free
    with (place / "filler").open("wb") as stream:
        stream.write(bytes(max(0, free - size)))


@as_root
def test_a_full_disk_in_the_middle(crl: ForkServer, images: Undisturbed, small_disk: Path) -> None:
    size = (images.folder / "checkpoint.pt").stat().st_size
    run = small_disk / "run"
    command = [*images.command, f"run_dir={run}"]
    for room in (size * 3 // 2, size // 2, 10_000, 0):
        leave(small_disk, room)
        ended = crl.run(*command, cache=images.cache)
        one_line(ended, 2 if room == 0 else 1, "No space left on device", str(run))
        assert not (run / "result.json").exists() and not list(small_disk.rglob("*.tmp"))
        (small_disk / "filler").unlink()
    assert crl.run(*command, cache=images.cache).code == 0
    assert same(run, images)
    whole = (run / "result.json").read_bytes()
    leave(small_disk, 0)
    assert "complete already" in crl.run(*command, cache=images.cache).text
    one_line(
        crl.run("evaluate", str(run), "evaluation.ks=[3]", cache=images.cache),
        2,
        "No space left",
        "evaluations",
    )
    one_line(crl.run(*command, "force=true", cache=images.cache), 2, "No space left on device")
    assert (run / "result.json").read_bytes() == whole  # what is complete stays


@pytest.mark.skipif(sys.platform != "linux", reason="drops the privileges that Linux gives to root")
def test_write_permission_taken_away(crl: ForkServer, texts: Undisturbed, tmp_path: Path) -> None:
    """Root may write everywhere, so the command drops that privilege."""
    run, cache = tmp_path / "run", tmp_path / "cache"
    command = [*texts.command, f"run_dir={run}"]
    long = [*command, "training.steps=20000"]

    def done(*arguments: str) -> Ended:
        return crl.run(*arguments, cache=cache, powerless=True)

    process = crl.start(*long, cache=cache, powerless=True)
    until((run / "checkpoint.pt").exists, process)
    run.chmod(0o555)
    denied = f"{run}/checkpoint.pt cannot be written (Permission denied)"
    one_line(process.wait(), 1, denied, "goes on")
    one_line(done(*long), 2, f"{run} cannot be written", "writable run_dir")
    run.chmod(0o755)
    shutil.rmtree(run)
    (cache / "prepared").chmod(0o555)
    for path in (cache / "prepared").iterdir():
        path.unlink()
    one_line(done(*command), 2, "cache", "Permission denied", "CRL_DATA")
    (cache / "prepared").chmod(0o755)
    assert done(*command).code == 0
    assert same(run, texts)
    run.chmod(0o555)
    whole = (run / "result.json").read_bytes()
    assert "complete already" in done(*command).text
    one_line(done(*command, "force=true"), 2, "cannot be written")
    assert (run / "result.json").read_bytes() == whole
    run.chmod(0o755)  # so that the folder can be removed
