"""Archives from an attacker: bombs, links, names that lead outside, false headers."""

import bz2
import gzip
import io
import lzma
import tarfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from traced import with_peak

from crl.data.errors import DataError
from crl.data.files import archive
from crl.data.files.archive import read_files, unpack
from crl.data.files.folders import is_text

MIB = 2**20
PACKERS = {"tar": bytes, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


def member(name: str, body: bytes = b"", size: int | None = None, **fields: object) -> bytes:
    """A header, which may claim a false size, and its content."""
    info = tarfile.TarInfo(name)
    info.size = len(body) if size is None else size
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % tarfile.BLOCKSIZE)


def pax(records: bytes, size: int | None = None) -> bytes:
    return member("././@PaxHeader", records, size, type=tarfile.XHDTYPE)


END = bytes(2 * tarfile.BLOCKSIZE)


def texts(path: Path) -> dict[str, str]:
    return read_files(path, lambda n: str(n) if is_text(n.name) else None, "an archive")


def refused(path: Path) -> str:
    """Check that reading fails with little time and memory; return its error line."""

    def read() -> str:
        with pytest.raises(DataError) as error:
            texts(path)
        return str(error.value)

    started = time.monotonic()
    line, peak = with_peak(read)
    assert time.monotonic() - started < 20
    assert peak < 20 * MIB
    assert "\n" not in line
    return line


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Path]:
    def write(body: bytes, packer: str = "gz") -> Path:
        path = tmp_path / f"any.tar.{packer}"
        path.write_bytes(PACKERS[packer](body))
        return path

    return write


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_LARGEST_FILE", MIB)
    monkeypatch.setattr(archive, "_LARGEST_ARCHIVE", 4 * MIB)


@pytest.mark.parametrize("packer", PACKERS)
def test_texts_are_read_from_every_packing(packed: Callable[..., Path], packer: str) -> None:
    path = packed(member("a.txt", b"one\r\ntwo") + member("b/c.txt", b"\xff") + END, packer)
    assert texts(path) == {"a.txt": b"one\r\ntwo", "b/c.txt": b"\xff"}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("name", ["bomb.txt", "bomb.bin"])
def test_a_bomb_is_refused_by_what_it_unpacks_to(
    packed: Callable[..., Path], small_limits: None, packer: str, name: str
) -> None:
    many = [member(f"{number}/{name}", bytes(MIB - 1)) for number in range(8)]
    assert refused(packed(b"".join(many) + END, packer)).endswith(
        "unpacks to more than an archive can; refused"
    )


def test_a_bomb_behind_the_end_of_the_archive_is_refused(
    packed: Callable[..., Path], small_limits: None
) -> None:
    assert "unpacks to more than" in refused(packed(member("a.txt", b"a") + END + bytes(8 * MIB)))


@pytest.mark.parametrize("size", [MIB + 1, 2**40, 8**11 - 1])
@pytest.mark.parametrize("name", ["a.txt", "a.bin"])
def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken(
    packed: Callable[..., Path], small_limits: None, size: int, name: str
) -> None:
    body = member(name, b"a" * 512, size) + END
    assert name == "a.bin" or "unpacks to more than" in refused(packed(body))
    refused(packed(body))


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_name_of_gigabytes_is_refused(
    packed: Callable[..., Path], small_limits: None, kind: bytes
) -> None:
    body = member("././@LongLink", bytes(1024), 2**31, type=kind) + member("a.txt", b"a") + END
    assert "unpacks to more than" in refused(packed(body))


def test_a_sparse_file_is_refused(packed: Callable[..., Path]) -> None:
    header = pax(b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n29 GNU.sparse.realsize=9999\n")
    assert "sparse" in refused(packed(header + member("a.txt", b"1\n0\n1\n" + bytes(507)) + END))
    old = bytearray(member("a.txt", b"", type=tarfile.GNUTYPE_SPARSE))
    old[483:495] = b"00000001000\0"  # its size once unpacked
    old[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(old))[0]
    assert "sparse" in refused(packed(bytes(old) + END))


def test_headers_in_an_endless_chain_are_refused(packed: Callable[..., Path]) -> None:
    for chain in (
        pax(b"9 a=bcde\n") * 5000,
        member("././@LongLink", b"a\0", type=tarfile.GNUTYPE_LONGNAME) * 5000,
    ):
        assert "is not a readable tar archive" in refused(
            packed(chain + member("a.txt", b"a") + END)
        )


def test_too_many_files_are_refused(
    packed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_MOST_FILES", 100)
    path = packed(b"".join(member(f"{number}.bin") for number in range(101)) + END)
    assert "unpacks to more than" in refused(path)
    assert texts(
        packed(b"".join(member(f"{number}.txt") for number in range(100)) + END)
    ).keys() == {f"{number}.txt" for number in range(100)}


@pytest.mark.parametrize(
    "records",
    [b"99 path=a\n", b"x path=a\n", b"11 size=-1\n", b"14 size=9e999\n", b"\0\0\0", b"0 \n"],
)
def test_extended_headers_that_are_none_are_refused_or_passed_over(
    packed: Callable[..., Path], records: bytes
) -> None:
    path = packed(pax(records) + member("a.txt", b"a") + END)
    with suppress(DataError):
        assert texts(path) in ({"a.txt": b"a"}, {})  # under its name, or skipped


@pytest.mark.parametrize("end", [b"", END[:512][:100], member("b.txt", b"b")[:300]])
def test_a_plain_archive_that_is_cut_between_two_files_is_refused(
    packed: Callable[..., Path], end: bytes
) -> None:
    assert "its end is missing" in refused(packed(member("a.txt", b"a") + end, "tar"))


def test_a_zip_file_is_no_tar_archive(tmp_path: Path) -> None:
    path = tmp_path / "any.tar.gz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("a.txt", bytes(50 * MIB))
    assert "is not a readable tar archive" in refused(path)


def test_names_with_control_characters_are_escaped_where_they_are_said(
    packed: Callable[..., Path],
) -> None:
    names = ["a\nb.txt", "\x1b[2Jc.txt", "\udcffd.txt"]
    body = b"".join(member(name, b"a") for name in names) + END
    assert texts(packed(body)).keys() == set(names)


@pytest.mark.parametrize(
    "name", ["../x/a", "x/../x/a", "/x/a", "./x/a", "x//a", "x/a/", "a", "y/x/a", "x/./a"]
)
def test_only_the_very_names_are_unpacked(
    tmp_path: Path, packed: Callable[..., Path], name: str
) -> None:
    md5 = "0cc175b9c0f1b6a831c399e269772661"  # of "a"
    body = member(name, type=tarfile.DIRTYPE) if name[-1] == "/" else member(name, b"a")
    with pytest.raises(DataError, match="a is missing or damaged"):
        unpack(packed(body + END), {"a": md5}, tmp_path / "x", "it")
    assert [path.name for path in tmp_path.iterdir()] == ["any.tar.gz"]
    unpack(
        packed(member("x/a", b"?") + member("x/a", b"a") + END), {"a": md5}, tmp_path / "x", "it"
    )
    assert (tmp_path / "x" / "a").read_bytes() == b"a"


def test_a_folder_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, packed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*of: object) -> None:
        raise OSError(28, "No space left on device")

    path = packed(member("x/a", b"a") + END)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(path, {"a": "0cc175b9c0f1b6a831c399e269772661"}, tmp_path / "x", "it")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_reading_keeps_no_headers(tmp_path: Path) -> None:
    path = tmp_path / "many.tar"
    buffer = io.BytesIO()
    for number in range(10_000):
        buffer.write(member(f"{number}.bin"))
    path.write_bytes(buffer.getvalue() + END)
    found, peak = with_peak(lambda: texts(path))
    assert found == {} and peak < 4 * MIB
