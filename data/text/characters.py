"""What a character is in its script: parts of words, words of one character, one form of each."""

import re
import unicodedata

# Chinese and Japanese have no spaces between words, so each character counts as a word.
_ALONE = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff" + (
    "\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_ALONE_PATTERN = re.compile(f"[{_ALONE}]")
# Most text in Latin, Greek and Cyrillic letters has none of these, and NFC leaves it as it is.
_SPECIAL = re.compile(
    "[\u0300-\u036f\u0374\u037e\u0387\u0483-\u0489\u0590-\u1fff\u2100-\U0010ffff]"
)


def normalised(text: str) -> str:
    """The text in Unicode's form NFC: one code for an accented letter, however it was typed.

    Chinese and Japanese characters get spaces around them.
    """
    if text.isascii() or not _SPECIAL.search(text):
        return text
    return _ALONE_PATTERN.sub(r" \g<0> ", unicodedata.normalize("NFC", text))


def count_words(text: str) -> int:
    """The number of words between white space; a Chinese or Japanese character is one too."""
    return len((text if text.isascii() else _ALONE_PATTERN.sub(r" \g<0> ", text)).split())


def inside_words() -> str:
    """The characters, for a class of a regular expression, that only occur inside a word.

    They are accents and vowel signs (Unicode's combining marks), and the invisible joiners of
    Persian and of Indian scripts.
    """
    ranges: list[list[int]] = [[0x200C, 0x200D]]
    for code in (*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0)):
        if unicodedata.category(chr(code))[0] == "M":
            if ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
