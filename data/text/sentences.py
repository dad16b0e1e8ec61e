"""Running text split into sentences."""

import re

# A sentence ends at . ! ?, with closing quotes or brackets after it, if white space and then a
# capital, digit, quote or bracket follow ...
_END = re.compile(r"(?<=[.!?])([\"'”’)\]]*)\s+(?=[\"'“‘(\[]*[A-Z0-9À-ÞΑ-ΩА-Я])")
# ... unless the stop belongs to an initial or to one of these abbreviations.
_ABBREVIATION = re.compile(
    r"(?:\b[A-Z]|\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Gen|Col|Lt|Sgt|Capt|Rev|Hon|vs|etc|cf|ca|al|"
    r"Fig|Figs|Eq|Eqs|No|Nos|Vol|pp|ed|eds|Inc|Ltd|Co|Corp|approx|e\.g|i\.e|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec))\.$"
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


def _paragraph(text: str) -> list[str]:
    sentences: list[str] = []
    start = 0
    for match in _END.finditer(text):
        end = match.end(1)
        if not _ABBREVIATION.search(text, max(start, end - 12), end):
            sentences.append(text[start:end])
            start = match.end()
    return [*sentences, text[start:]] if text[start:] else sentences
