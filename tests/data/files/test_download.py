"""Downloads from a server that breaks off, stalls, ignores ranges or sends wrong data."""

import gzip
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_server import Server, cut, no_ranges, says, serving, stall
from waiting import until

from crl.data.errors import DataError
from crl.data.files import download
from crl.data.files.download import Source, fetch

BODY = gzip.compress(random.Random(0).randbytes(300_000))
SIZE = len(BODY)
NAME = "data.tar.gz"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("CRL_DATA", str(tmp_path))
    monkeypatch.setattr(download, "_WAIT", 0.0)
    monkeypatch.setattr(download, "_STALL", 5.0)
    with serving(BODY) as server:
        yield server


def source(server: Server) -> Source:
    return Source(server.url, NAME, "Data", hashlib.sha256(BODY).hexdigest(), SIZE)


def refused(asked: Source) -> str:
    """Check that the download fails and leaves no file; return its error line."""
    with pytest.raises(DataError) as error:
        fetch(asked)
    home = Path(os.environ["CRL_DATA"])
    assert not (home / NAME).exists()
    assert "\n" not in str(error.value) and str(error.value).startswith(
        "Data cannot be downloaded ("
    )
    assert str(error.value).endswith("set dataset.root to a copy of it")
    return str(error.value)


def test_a_file_is_downloaded_once_and_nothing_else_is_left(server: Server, tmp_path: Path) -> None:
    path = fetch(source(server))
    assert path == tmp_path / NAME and path.read_bytes() == BODY
    assert fetch(source(server)) == path
    assert server.asked == [None]
    assert {file.name for file in tmp_path.iterdir()} <= {NAME, f"{NAME}.lock"}


def test_a_download_that_breaks_off_goes_on_where_it_was(server: Server) -> None:
    server.script = [cut(100_000), cut(1), cut(0), cut(150_000)]
    assert fetch(source(server)).read_bytes() == BODY
    assert server.asked == [
        None,
        "bytes=100000-",
        "bytes=100001-",
        "bytes=100001-",
        "bytes=250001-",
    ]


def test_a_stall_times_out_and_the_next_connection_goes_on(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_STALL", 0.2)
    server.script = [stall(70_000), stall(0)]
    assert fetch(source(server)).read_bytes() == BODY
    assert server.asked == [None, "bytes=70000-", "bytes=70000-"]


def test_a_server_that_always_stalls_is_given_up_and_what_it_sent_is_kept(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_STALL", 0.1)
    server.script = [stall(100), *[stall(0)] * 10]
    message = refused(source(server))
    assert (
        f"{server.url}: no byte for 0.1 s; 100 bytes are here); try again, which goes on from there"
        in message
    )
    assert len(server.asked) == 5 and (tmp_path / f"part-{NAME}").read_bytes() == BODY[:100]
    server.script = []
    assert fetch(source(server)).read_bytes() == BODY
    assert server.asked[-1] == "bytes=100-"


def test_tries_are_spaced_ever_wider(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(download, "_WAIT", 1.0)
    monkeypatch.setattr(time, "sleep", waits.append)
    server.script = [says(503), says(503), cut(70_000), says(429), *[says(500)] * 9]
    assert "HTTP 500" in refused(source(server))
    # The third connection brought data: failures are counted anew from there.
    assert waits == [1, 2, 1, 2, 4, 8]


def test_a_server_that_ignores_ranges_is_not_asked_for_what_is_here_twice_over(
    server: Server, tmp_path: Path
) -> None:
    server.script = [no_ranges(100_000), no_ranges(50_000), no_ranges()]
    assert fetch(source(server)).read_bytes() == BODY
    assert server.asked == [
        None,
        "bytes=100000-",
        "bytes=100000-",
    ]  # the bytes that were here stayed


@pytest.mark.parametrize(
    "range_said",
    [
        "bytes 5-9/10",
        f"bytes 0-9/{SIZE}",
        "bytes */*",
        "items 1-2/3",
        None,
        f"bytes 200000-{SIZE - 1}/{SIZE}",
    ],
)
def test_a_range_that_was_not_asked_for_is_never_appended(
    server: Server, range_said: str | None
) -> None:
    lie = says(206, BODY[:10], **({"Content_Range": range_said} if range_said else {}))
    server.script = [cut(100_000), lie]
    if range_said == "bytes 5-9/10":
        assert "offers 10 bytes instead of" in refused(source(server))
    else:
        assert fetch(source(server)).read_bytes() == BODY


@pytest.mark.parametrize("claimed", [SIZE - 1, SIZE + 1, 10**17, 0])
def test_another_size_than_the_known_one_is_refused_at_once(server: Server, claimed: int) -> None:
    server.script = [says(200, BODY, Content_Length=claimed)]
    assert refused(source(server)) == (
        f"Data cannot be downloaded ({server.url} offers {claimed} bytes instead of {SIZE}); "
        "set dataset.root to a copy of it"
    )


@pytest.mark.parametrize("length", ["many", "-5", "9" * 5000, None])
def test_without_a_usable_size_the_known_one_decides(server: Server, length: str | None) -> None:
    said = {"Content_Length": length} if length else {}
    server.script = [says(200, BODY[:100_000], **said), cut(100)]
    assert fetch(source(server)).read_bytes() == BODY
    server.asked.clear()


def test_a_server_that_never_stops_is_stopped(server: Server, tmp_path: Path) -> None:
    server.script = [says(200, BODY + b"more" * 100_000)]
    assert f"sends more than {SIZE} bytes" in refused(source(server))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= SIZE


@pytest.mark.parametrize("body", [BODY[:-1] + b"?", b"x" * SIZE])
def test_wrong_bytes_are_thrown_away(server: Server, tmp_path: Path, body: bytes) -> None:
    server.body = body
    assert "sent something else: its sha256 differs from the known one" in refused(source(server))
    assert not list(tmp_path.glob("part-*"))
    server.body = BODY
    assert fetch(source(server)).read_bytes() == BODY


def test_a_part_of_something_else_is_thrown_away_and_fetched_again(
    server: Server, tmp_path: Path
) -> None:
    for stale in (b"old" * 1000, BODY[:-1] + b"?", BODY + b"more"):
        (tmp_path / f"part-{NAME}").write_bytes(stale)
        path = fetch(source(server))
        assert path.read_bytes() == BODY
        path.unlink()


def test_a_part_that_is_whole_already_only_gets_its_name(server: Server, tmp_path: Path) -> None:
    for asked in (source(server), replace(source(server), sha256=None, size=None)):
        (tmp_path / f"part-{NAME}").write_bytes(BODY)
        path = fetch(asked)
        assert path.read_bytes() == BODY
        path.unlink()
    assert server.asked == [f"bytes={SIZE}-"]  # no request where the size is known


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (says(404), "HTTP 404, Not Found"),
        (says(403), "HTTP 403, Forbidden"),
        (says(204), "HTTP 204, No Content"),
        (says(302, Location="file:///etc/passwd"), "HTTP 302"),
        (says(302, Location="/data.tar.gz"), "HTTP 302"),
    ],
)
def test_what_another_try_would_not_change_is_said_at_once(
    server: Server, answer, said: str
) -> None:  # type: ignore[no-untyped-def]
    server.script = [answer] * 20
    assert said in refused(source(server))
    assert len(server.asked) <= 11  # urllib ends the circle of redirections


def test_a_redirection_is_followed_with_its_range(server: Server) -> None:
    server.script = [cut(1000), says(302, Location="/elsewhere")]
    assert fetch(source(server)).read_bytes() == BODY
    assert server.asked == [None, "bytes=1000-", "bytes=1000-"]


def test_what_is_no_http_is_refused(server: Server) -> None:
    def rubbish(request) -> None:  # type: ignore[no-untyped-def]
        request.wfile.write(b"\0\xff no HTTP at all\r\n" * 10)

    server.script = [rubbish] * 10
    refused(source(server))


def test_no_server_is_refused(server: Server, tmp_path: Path) -> None:
    asked = replace(source(server), url="http://127.0.0.1:1/data.tar.gz")
    assert "Connection refused" in refused(asked)
    assert not list(tmp_path.glob("part-*"))


def test_without_a_known_checksum_the_gzip_files_own_decides(
    server: Server, tmp_path: Path
) -> None:
    unknown = replace(source(server), sha256=None, size=None)
    for body in (b"<html>log in first</html>", BODY[:-1], BODY[:1000] + b"?" + BODY[1001:], b""):
        server.body = body
        server.script = [says(200, body, Content_Length=len(body))] * 10
        assert (
            f"sent something else: {'it is no whole gzip file' if body else 'nothing'}"
            in refused(unknown)
        )
        assert not list(tmp_path.glob("part-*"))
    server.script = [no_ranges(1000), says(200, BODY[:2000], Content_Length=SIZE)]
    server.body = BODY
    assert fetch(unknown).read_bytes() == BODY
    assert server.asked[-1] == "bytes=2000-"


def test_without_a_known_size_what_is_announced_must_come(server: Server, tmp_path: Path) -> None:
    unknown = replace(source(server), sha256=None, size=None)
    server.script = [says(200, BODY, Content_Length=SIZE + 100), *[says(416)] * 9]
    # There is nothing after it: the announced size was wrong, the file is whole.
    assert fetch(unknown).read_bytes() == BODY


def test_a_bomb_is_not_unpacked_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_LARGEST", 2**22)
    server.body = gzip.compress(bytes(2**24))
    assert "unpacks to more than" in refused(replace(source(server), sha256=None, size=None))


def test_an_encrypted_address_does_not_lead_to_an_open_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = download.urlopen
    monkeypatch.setattr(
        download, "urlopen", lambda request, timeout: opened(server.url, timeout=timeout)
    )
    assert "which is not encrypted" in refused(
        replace(source(server), url="https://example.org/data.tar.gz")
    )


def test_a_full_disk_is_said_and_what_is_here_stays(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = [cut(1000), *[says(500)] * 9]
    refused(source(server))
    server.script.clear()
    synced = os.fsync

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "(No space left on device)" in refused(source(server))
    monkeypatch.setattr(os, "fsync", synced)
    assert fetch(source(server)).read_bytes() == BODY


def test_a_killed_download_goes_on_with_every_byte_that_had_come(
    server: Server, tmp_path: Path
) -> None:
    server.script = [stall(200_000)]
    asked = source(server)
    code = f"from crl.data.files.download import Source, fetch; fetch({asked!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    part = tmp_path / f"part-{NAME}"
    until(lambda: part.exists() and part.stat().st_size == 200_000, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / NAME).exists()
    assert fetch(asked).read_bytes() == BODY
    assert server.asked == [None, "bytes=200000-"]


def test_every_source_is_pinned_or_says_why_not() -> None:
    from crl.data.datasets import cifar100, imdb, wiki3029

    for pinned in (cifar100.SOURCE, imdb.SOURCE):
        assert len(pinned.sha256 or "") == 64 and (pinned.size or 0) > 8 * 10**7
    assert wiki3029.SOURCE.sha256 is None and wiki3029.SOURCE.name.endswith(".gz")
    assert all(
        s.url.startswith("https://") for s in (cifar100.SOURCE, imdb.SOURCE, wiki3029.SOURCE)
    )
