"""Fetching a file over HTTP: gone on with where it was broken off, and checked before it gets its
name.

No library in reach resumes, checks and retries: torchvision and torch.hub start from the beginning
each time.
"""

import gzip
import hashlib
import os
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from data.errors import DataError
from data.files.cache import data_home, locked

_STALL = 30.0  # seconds without a byte that end a connection
_TRIES = 5  # in a row that bring next to nothing
_NEXT_TO_NOTHING = 2**16  # bytes
_WAIT = 1.0  # seconds before the second try, doubled before each further one
_LARGEST = 4 * 2**30  # bytes, packed or unpacked, of a file of unknown size
_BLOCK = 2**18  # bytes read at a time
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses that another try may change


@dataclass(frozen=True)
class Source:
    """A file on a server: the name it gets where crl keeps its data, and ``what`` a person calls
    it.

    ``sha256`` and ``size`` (bytes) are None where they are not known. Then the file must be a gzip
    file, whose own checksum tells a damaged one and an error page from data, but not a forged one.
    """

    url: str
    name: str
    what: str
    sha256: str | None = None
    size: int | None = None


class _Broken(Exception):
    """A connection that failed; another may do better."""


class _BadRange(_Broken):
    """The server mishandles ranges; the whole file may be had."""


class _Wrong(Exception):
    """The server offers or has sent something else; another try would not help."""


def fetched(source: Source) -> Path:
    """The source's file where crl keeps its data, downloaded if it is not there.

    What has been downloaded is kept in ``part-<name>``, which the next call goes on with, whatever
    ended this one. Only a whole file with the right checksum gets its name. Raises DataError, which
    calls the data ``source.what``.
    """
    target = data_home() / source.name
    with locked(target):
        if not target.exists():
            part = target.with_name(f"part-{source.name}")
            try:
                _fetch(source, part)
                part.replace(target)
            except _Broken as error:
                why, way = (
                    _reason(error),
                    "try again, which goes on from there, or set dataset.root to a copy of it",
                )
                raise DataError(f"{source.what} cannot be downloaded ({why}); {way}") from error
            except (_Wrong, OSError) as error:
                raise DataError(
                    f"{source.what} cannot be downloaded ({_reason(error)}); set dataset.root to a copy of it"
                ) from error
            finally:
                if part.exists() and part.stat().st_size == 0:
                    part.unlink()
    return target


def _fetch(source: Source, part: Path) -> None:
    """Complete the part file and check it; if an earlier call began it with something else, once
    more from nothing."""
    begun = part.exists()
    _complete(source, part)
    if begun and _fault(source, part):
        part.unlink()
        _complete(source, part)
    if fault := _fault(source, part):
        part.unlink()
        raise _Wrong(f"{source.url} sent something else: {fault}")


def _complete(source: Source, part: Path) -> None:
    """Append to the part file until the server has no more. Raises _Broken when it has failed too
    often in a row."""
    with part.open("ab") as stream:
        unit = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
        with tqdm(
            desc=f"downloading {source.what}",
            initial=stream.tell(),
            disable=None,
            leave=False,
            **unit,
        ) as bar:
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
    """One request for what the stream does not hold yet, without ``ranged`` for everything, of
    which the rest is kept."""
    have = stream.tell()
    if source.size is not None and have >= source.size:
        return
    response = _response(source.url, have if ranged else 0)
    if response is None:  # nothing lies beyond what is here
        return
    with response:
        start, total = _extent(response, have)
        if source.url.startswith("https:") and not response.url.startswith("https:"):
            raise _Wrong(f"{source.url} leads to {response.url}, which is not encrypted")
        if source.size is not None and total is not None and total != source.size:
            raise _Wrong(f"{response.url} offers {total} bytes instead of {source.size}")
        most = source.size or total or _LARGEST
        bar.total = source.size or total
        known = have - start  # bytes that come once more
        for block in _blocks(response):
            new, known = block[known:], max(known - len(block), 0)
            if stream.tell() + len(new) > most:
                raise _Wrong(f"{response.url} sends more than {most} bytes")
            stream.write(new)
            stream.flush()  # what is written survives this process
            bar.update(len(new))
    if bar.total is not None and stream.tell() < bar.total:
        raise _Broken(f"{source.url} broke off before {bar.total} bytes")


def _response(url: str, have: int) -> HTTPResponse | None:
    """An answer with data; None where nothing lies beyond what we have. Raises _Broken or
    _Wrong."""
    headers = {"User-Agent": "crl", "Accept-Encoding": "identity"} | (
        {"Range": f"bytes={have}-"} if have else {}
    )
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
    """(where the answer starts in the file, size of the whole file in bytes if the server says
    it)."""
    if response.status == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    found = re.fullmatch(
        r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)", response.headers.get("Content-Range", "")
    )
    if not found or int(found[1]) > have:
        raise _BadRange(f"{response.url} sends another range than asked for")
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    """What arrives, as it arrives. Raises _Broken."""
    while True:
        try:
            block = response.read1(_BLOCK)
        except (OSError, HTTPException) as error:
            raise _Broken(f"{response.url}: {_reason(error)}") from error
        if not block:
            return
        yield block


def _fault(source: Source, path: Path) -> str | None:
    """What shows that a file is not the source's; None where nothing does."""
    size = path.stat().st_size
    if source.size is not None and size != source.size:
        return f"{size} bytes instead of {source.size}"
    if size == 0:
        return "nothing"
    if source.sha256 is None:
        return _gzip_fault(path)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return None if digest.hexdigest() == source.sha256 else "its sha256 differs from the known one"


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
    """In one line; of a time-out, how long was waited."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    if isinstance(reason, TimeoutError) or isinstance(error, TimeoutError):
        return f"no byte for {_STALL:g} s"
    return " ".join(
        str(getattr(reason, "strerror", None) or reason or type(error).__name__).split()
    )
