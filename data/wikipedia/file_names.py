"""File names for article titles: readable, safe on every file system, one for each title."""

import hashlib
import unicodedata

_UNSAFE = frozenset('/\\:*?"<>|%')
# Names that Windows reserves.
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)
_LONGEST = 180  # bytes; file systems allow 255, and temporary names are longer


def file_name(title: str) -> str:
    """Return ``Title_With_Underscores.txt``, as in Wiki-3029.

    Characters that some file system refuses (slashes, control characters, a dot in front) are
    percent-encoded. A name that is too long is cut, and ends in 16 hexadecimal digits of the
    title's SHA-256.
    """
    name = "".join(_safe(character) for character in title.replace(" ", "_"))
    if name[:1] in ("", ".") or name.partition(".")[0].casefold() in _RESERVED:
        name = _encoded(name[:1]) + name[1:]
    return f"{_cut(name, _LONGEST - 4, title)}.txt"


class ArticleNames:
    """The names of articles so far. ``named``: name -> title, in the order of their appearance.

    A name that a file system could confuse with an earlier one (case, Unicode compositions) ends in
    digits of the title's SHA-256.
    """

    def __init__(self, named: dict[str, str]) -> None:
        self.named = named
        self._titles = set(self.named.values())
        self._folded = {_folded(name) for name in self.named}

    def __contains__(self, title: object) -> bool:
        return title in self._titles

    def add(self, title: str) -> str:
        """Give the title a name that no earlier title has, and return the name."""
        name = file_name(title)
        attempt = 0
        while _folded(name) in self._folded:
            name = f"{_cut(name.removesuffix('.txt'), 100, '')}-{_digest(f'{attempt} {title}')}.txt"
            attempt += 1
        self.named[name] = title
        self._titles.add(title)
        self._folded.add(_folded(name))
        return name


def _safe(character: str) -> str:
    unsafe = character in _UNSAFE or unicodedata.category(character)[0] in "CZ"
    return _encoded(character) if unsafe else character


def _encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass")) or "%"


def _cut(name: str, longest: int, title: str) -> str:
    """The name cut to ``longest`` bytes; a name that is cut ends in the digest of its title."""
    encoded = name.encode()
    if len(encoded) <= longest:
        return name
    end = f"-{_digest(title)}" if title else ""
    return encoded[: longest - len(end)].decode("utf-8", "ignore") + end


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())
