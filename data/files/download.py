"""Downloads over HTTP that resume, retry, and are checked before the file gets its name.

torchvision and torch.hub start from the beginning each time.
"""

import gzip
import os
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from crl.data.errors import DataError
from crl.data.files.atomic import sha256_of
from crl.data.files.cache import data_home, expand_user, find, locked

_STALL = 30.0  # seconds without a byte; then the connection is given up
_TRIES = 5  # tries in a row that each bring next to nothing
_NEXT_TO_NOTHING = 2**16  # bytes
_WAIT = 1.0  # seconds before the second try, doubled before each further one
_LARGEST = 4 * 2**30  # bytes of a file of unknown size, packed or unpacked
_BLOCK = 2**18  # bytes read at a time
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses that may pass until the next try


@dataclass(frozen=True)
class Source:
    """A file on a server.

    ``name``: its name in :func:`crl.data.files.cache.data_home`. ``what``: what a person calls it.
    ``sha256`` and ``size`` (bytes) are None if unknown. The file must then be a gzip file: its own
    checksum shows damage and error pages, but no forgery.
    """

    url: str
    name: str
    what: str
    sha256: str | None = None
    size: int | None = None


def find_or_fetch(root: str | None, source: Source, *names: str) -> Path:
    """The first of these files or folders in root, else root itself; without root, a download.

    Raises DataError if root does not exist, or the download fails.
    """
    return find(root, *names) or (fetch(source) if root is None else expand_user(root))


def fetch(source: Source) -> Path:
    """Return the source's file in the folder for crl's data; download it if it is not there.

    A download that ends early stays in ``part-<name>``; the next call goes on from there. The file
    gets its name only when it is whole and has the right checksum. Raises DataError.
    """
    target = data_home() / source.name
    with locked(target):
        if not target.exists():
            part = target.with_name(f"part-{source.name}")
            try:
                _fetch(source, part)
                part.replace(target)
            except (_Broken, _Wrong, OSError) as error:
                again = "try again, which goes on from there, or "
                raise DataError(
                    f"{source.what} cannot be downloaded ({_reason(error)}); "
                    f"{again if isinstance(error, _Broken) else ''}set dataset.root to a copy of it"
                ) from error
            finally:
                if part.exists() and part.stat().st_size == 0:
                    part.unlink()
    return target


class _Broken(Exception):
    """A connection failed; another may succeed."""


class _BadRange(_Broken):
    """The server does not honour ranges; the whole file may still be had."""


class _Wrong(Exception):
    """The server offers or has sent something else; another try would not help."""


def _fetch(source: Source, part: Path) -> None:
    """Complete the part file and check it; if an earlier part is of something else, start over."""
    resumed = part.exists()
    _complete(source, part)
    if resumed and _fault(source, part):
        part.unlink()
        _complete(source, part)
    if fault := _fault(source, part):
        part.unlink()
        raise _Wrong(f"{source.url} sent something else: {fault}")


def _complete(source: Source, part: Path) -> None:
    """Append to the part file until the server has no more.

    Raises _Broken after too many failures in a row.
    """
    with (
        part.open("ab") as stream,
        tqdm(
            desc=f"downloading {source.what}",
            initial=stream.tell(),
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            disable=None,
            leave=False,
        ) as bar,
    ):
        failures, ranged = 0, True
        while True:
            before = stream.tell()
            try:
                _append(source, stream, bar, ranged)
                break
            except _Broken as error:
                failures = failures + 1 if stream.tell() - before < _NEXT_TO_NOTHING else 1
                if failures == _TRIES:
                    raise _Broken(f"{error}; {stream.tell()} bytes are here") from error
                ranged = ranged and not isinstance(error, _BadRange)
                time.sleep(_WAIT * 2 ** (failures - 1))
        os.fsync(stream.fileno())


def _append(source: Source, stream: BinaryIO, bar: "tqdm[None]", ranged: bool) -> None:
    """Request and append what the stream does not hold yet.

    Without ``ranged`` the whole file is requested, and the bytes that are here already are skipped.
    """
    have = stream.tell()
    if source.size is not None and have >= source.size:
        return
    response = _response(source.url, have if ranged else 0)
    if response is None:  # everything is here
        return
    with response:
        start, total = _extent(response, have)
        if source.url.startswith("https:") and not response.url.startswith("https:"):
            raise _Wrong(f"{source.url} leads to {response.url}, which is not encrypted")
        if source.size is not None and total is not None and total != source.size:
            raise _Wrong(f"{response.url} offers {total} bytes instead of {source.size}")
        most = source.size or total or _LARGEST
        bar.total = source.size or total
        repeated = have - start  # bytes to come that are here already
        for block in _blocks(response):
            new, repeated = block[repeated:], max(repeated - len(block), 0)
            if stream.tell() + len(new) > most:
                raise _Wrong(f"{response.url} sends more than {most} bytes")
            stream.write(new)
            stream.flush()  # these bytes survive this process
            bar.update(len(new))
    if bar.total is not None and stream.tell() < bar.total:
        raise _Broken(f"{source.url} broke off before {bar.total} bytes")


def _response(url: str, have: int) -> HTTPResponse | None:
    """A response with the bytes from ``have`` on; None if there are none.

    Raises _Broken or _Wrong.
    """
    headers = {"User-Agent": "crl", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=_STALL)
    except HTTPError as error:
        error.close()
        if error.code == 416 and have:
            return None
        raise (_Broken if error.code in _PASSING else _Wrong)(
            f"{url}: HTTP {error.code}, {_reason(error)}"
        ) from error
    except (OSError, HTTPException) as error:
        raise _Broken(f"{url}: {_reason(error)}") from error
    if response.status not in (200, 206):
        response.close()
        raise _Wrong(f"{url}: HTTP {response.status}, {response.reason}")
    return response


def _extent(response: HTTPResponse, have: int) -> tuple[int, int | None]:
    """(where the response starts in the file, size of the whole file if the server tells it)."""
    if response.status == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    span = re.fullmatch(
        r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)", response.headers.get("Content-Range", "")
    )
    if not span or int(span[1]) > have:
        raise _BadRange(f"{response.url} sends another range than asked for")
    return int(span[1]), None if span[2] == "*" else int(span[2])


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    """Yield the bytes of a response as they arrive. Raises _Broken."""
    try:
        yield from iter(partial(response.read1, _BLOCK), b"")
    except (OSError, HTTPException) as error:
        raise _Broken(f"{response.url}: {_reason(error)}") from error


def _fault(source: Source, path: Path) -> str | None:
    """Why a file cannot be the source's, in a few words; None if it can."""
    size = path.stat().st_size
    if source.size is not None and size != source.size:
        return f"{size} bytes instead of {source.size}"
    if size == 0:
        return "nothing"
    if source.sha256 is None:
        return _gzip_fault(path)
    return None if sha256_of(path) == source.sha256 else "its sha256 differs from the known one"


def _gzip_fault(path: Path) -> str | None:
    try:
        with gzip.open(path) as stream:
            while stream.read(2**20):
                if stream.tell() > _LARGEST:
                    return f"it unpacks to more than {_LARGEST} bytes"
    except (OSError, EOFError, zlib.error) as error:
        return f"it is no whole gzip file ({error})"
    return None


def _reason(error: BaseException) -> str:
    """The reason of an error, in one line."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    if isinstance(reason, TimeoutError) or isinstance(error, TimeoutError):
        return f"no byte for {_STALL:g} s"
    return " ".join(
        str(getattr(reason, "strerror", None) or reason or type(error).__name__).split()
    )
