"""Running text of any alphabet split into sentences.

Unicode's properties say what ends a sentence and what begins one. Abbreviations are English ones,
and initials of any alphabet. Thai and Lao mark no ends.
"""

import re

_WESTERN = ".!?…"  # they end a sentence only before white space and what can begin one
# The other marks of Unicode's property Sentence_Terminal, which need neither.
_OTHERS = (
    "։؝؞؟۔܀܁܂߹࠷࠹࠽࠾।॥၊။።፧፨᙮᜵᜶។៕᠃᠉᥄᥅᪨᪩᪪᪫᭎᭏᭚᭛᭞᭟᭽᭾᭿᰻᰼᱾᱿‼‽⁇⁈⁉⳹⳺⳻⸮⸼⹓⹔⹠⹡。"
    "꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫︒︕︖﹒﹖﹗！．？｡"
)
_GREEK_QUESTION = ";\u037e"
_CLOSING = "\"'”’»›)]）］｝」』】〉》〕〗｣"
_OPENING = "\"'“‘„‚«‹([¿¡（［｛「『【〈《〔〖｢"
_MARK = re.compile(f"[{_WESTERN}{_OTHERS}{_GREEK_QUESTION}]")
# “ opens a quotation in Chinese and closes one in German. French has a space inside « ».
_END = re.compile(
    rf"{_MARK.pattern}+((?:[{re.escape(_CLOSING)}]| »|(?<![{_OTHERS}])“)*)(\s*)(?=\S)"
)
_NEXT = re.compile(rf"(?:[{re.escape(_OPENING)}]|(?<=«) )*(\S)")
# A stop does not end a sentence if it belongs to an initial or to one of these abbreviations.
_ABBREVIATION = re.compile(
    r"\b(?:([^\W\d_])|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Gen|Col|Lt|Sgt|Capt|Rev|Hon|vs|etc|cf|ca|al|"
    r"Fig|Figs|Eq|Eqs|No|Nos|Vol|pp|ed|eds|Inc|Ltd|Co|Corp|approx|e\.g|i\.e|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)\.$"
)


def split_sentences(text: str) -> list[str]:
    """Return the sentences of running text, with single spaces between words.

    A blank line always ends a sentence.
    """
    return [
        sentence
        for paragraph in re.split(r"\n\s*\n", text)
        for sentence in _paragraph(" ".join(paragraph.split()))
    ]


def count_ends(text: str) -> int:
    """The number of marks that can end a sentence: at least that of its sentences with an end."""
    return sum(map(text.count, ".!?;")) if text.isascii() else len(_MARK.findall(text))


def is_ended(text: str) -> bool:
    """Return whether a mark ends the text, perhaps with closing quotes or brackets after it."""
    bare = text.rstrip().rstrip(_CLOSING + " ")
    return bare[-1:] != "" and (bare[-1] in _WESTERN + _OTHERS or _asks_in_greek(bare, len(bare)))


def _paragraph(text: str) -> list[str]:
    sentences: list[str] = []
    start = 0
    for match in _END.finditer(text):
        end = match.end(1)
        if _is_end(text, match) and not _is_abbreviation(text[max(start, end - 12) : end]):
            sentences.append(text[start:end])
            start = match.end()
    return [*sentences, text[start:]] if text[start:] else sentences


def _is_end(text: str, match: "re.Match[str]") -> bool:
    """Return whether marks, with what follows them, end a sentence."""
    last = text[match.start(1) - 1]
    if last in _OTHERS:
        # A digit goes on with a number, and kana after a quotation with its sentence.
        character = text[match.end()]
        goes_on = character.isdecimal() or (match[1] and "ぁ" <= character <= "ゟ")
        return not goes_on and text[match.end() : match.end() + 9].strip(_CLOSING + " ") != ""
    if not match[2] or (last in _GREEK_QUESTION and not _asks_in_greek(text, match.start(1))):
        return False
    following = _NEXT.match(text, match.end())
    return following is not None and _begins(following[1])


def _begins(character: str) -> bool:
    """Return whether a sentence can begin so: a digit, or a letter that is no small one.

    Georgian has small letters in Unicode, but writes no capitals.
    """
    return (
        character.isdecimal()
        or (character.isalpha() and not character.islower())
        or "ა" <= character <= "ჿ"
    )


def _asks_in_greek(text: str, end: int) -> bool:
    return text[end - 1 : end] in _GREEK_QUESTION and "Ͱ" <= text[end - 2 : end - 1] <= "῿"


def _is_abbreviation(text: str) -> bool:
    match = _ABBREVIATION.search(text)
    # A syllable of Chinese or Korean can be a word, a small letter too.
    return match is not None and (match[1] is None or match[1].isupper() or "א" <= match[1] <= "ۿ")
