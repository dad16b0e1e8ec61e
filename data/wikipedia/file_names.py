"""File names for titles: readable, safe on every file system, one for each title."""

import hashlib
import unicodedata

_UNSAFE = frozenset('/\\:*?"<>|%')
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)  # by Windows
_LONGEST = 180  # bytes; file systems take 255, and a temporary name is longer


def file_name(title: str) -> str:
    """``Title_With_Underscores.txt``, as in Wiki-3029.

    What some file system refuses (slashes, control characters, a dot in front) is percent-encoded;
    a name that would be too long is cut and ends in 16 hexadecimal digits of the title's SHA-256.
    """
    name = "".join(_safe(character) for character in title.replace(" ", "_"))
    if name[:1] in ("", ".") or name.partition(".")[0].casefold() in _RESERVED:
        name = _encoded(name[:1]) + name[1:]
    return f"{_cut(name, _LONGEST - 4, title)}.txt"


class ArticleNames:
    """Names for titles, in the order of their first appearance. ``named``: name -> title of those
    given before; it grows.

    Names that a file system could take for the same (case, Unicode's compositions) end in digits of
    the title's SHA-256.
    """

    def __init__(self, named: dict[str, str]) -> None:
        self.named = named
        self._titles = set(self.named.values())
        self._folded = {_folded(name) for name in self.named}

    def __contains__(self, title: object) -> bool:
        return title in self._titles

    def choose(self, title: str) -> str:
        """A name that no other title has; the same until :meth:`add` is called."""
        name = file_name(title)
        attempt = 0
        while _folded(name) in self._folded:
            name = f"{_cut(name.removesuffix('.txt'), 100, '')}-{_digest(f'{attempt} {title}')}.txt"
            attempt += 1
        return name

    def add(self, name: str, title: str) -> None:
        """Keep the name for the title."""
        self.named[name] = title
        self._titles.add(title)
        self._folded.add(_folded(name))


def _safe(character: str) -> str:
    unsafe = character in _UNSAFE or unicodedata.category(character)[0] in "CZ"
    return _encoded(character) if unsafe else character


def _encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass")) or "%"


def _cut(name: str, longest: int, title: str) -> str:
    """The name, cut to so many bytes; with the digest of a title behind it where it was."""
    whole = name.encode()
    if len(whole) <= longest:
        return name
    end = f"-{_digest(title)}" if title else ""
    return whole[: longest - len(end)].decode("utf-8", "ignore") + end


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())
