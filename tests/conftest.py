"""What all tests share: a cache folder of their own, and real data where there is some."""

import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from processes import ForkServer

# Before torch is imported, here and in subprocesses: on tensors this small, threads only wait for
# each other. Where a test asks for several, they sleep while they wait: the cores are busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

settings.register_profile("crl", deadline=None)
settings.load_profile("crl")

ARCHIVES = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Prepared data goes to a folder of this session, never to the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRL_DATA", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _few_draws() -> None:
    from quick_theory import draw_less

    draw_less()


@pytest.fixture(scope="session")
def crl(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[ForkServer]":
    """``crl.run("train", ...)``: a command in a process of its own, without a start's seconds."""
    from processes import ForkServer

    server = ForkServer(tmp_path_factory.mktemp("logs"))
    with (
        server.process
    ):  # closes its pipes too: an open file is a warning to whichever test is last
        yield server
        server.process.kill()


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """A function (name, most) -> the folder of that name of real data, of an archive at most so
    many files.

    It is searched in ``$CRL_TEST_DATA``, then as an archive beside the repository; where it is
    absent, the test skips.
    """
    unpacked: dict[str, Path] = {}

    def folder(name: str, most: int) -> Path:
        given = os.environ.get("CRL_TEST_DATA")
        if given and (Path(given) / name).is_dir():
            return Path(given) / name
        archive = ARCHIVES / f"{name}.tar.xz"
        if not archive.is_file():
            pytest.skip(f"no real {name}: set CRL_TEST_DATA to the folder that holds {name}/")
        if name not in unpacked:
            place = tmp_path_factory.mktemp("real")
            with tarfile.open(archive) as members:
                files = (member for member in members if member.isfile())
                for _, member in zip(range(most), files, strict=False):
                    members.extract(member, place, filter="data")
            unpacked[name] = place / name
        return unpacked[name]

    return folder


@pytest.fixture(scope="session")
def some_reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a folder aclImdb with every 25th real review of IMDb; searched as ``real_data``
    is."""
    place = tmp_path_factory.mktemp("reviews")

    def chosen(path: PurePath) -> bool:
        return (
            path.suffix == ".txt"
            and path.stem.partition("_")[0].isdigit()
            and int(path.stem.partition("_")[0]) % 25 == 0
        )

    given = Path(os.environ.get("CRL_TEST_DATA", "nowhere"))
    archive = ARCHIVES / "aclImdb.tar.xz"
    if (given / "aclImdb").is_dir():
        for path in filter(chosen, (given / "aclImdb").rglob("*.txt")):
            (place / path.relative_to(given)).parent.mkdir(parents=True, exist_ok=True)
            (place / path.relative_to(given)).symlink_to(path)
    elif archive.is_file():
        with tarfile.open(archive) as members:
            for member in members:
                if chosen(PurePosixPath(member.name)):
                    members.extract(member, place, filter="data")
    else:
        pytest.skip("no real aclImdb: set CRL_TEST_DATA to the folder that holds aclImdb/")
    return place
