"""Splitting running text into sentences."""

import re

# A sentence ends at . ! ? (with closing quotes or brackets behind it) before white space and a
# capital, digit, quote or bracket ...
_END = re.compile(r"(?<=[.!?])([\"'”’)\]]*)\s+(?=[\"'“‘(\[]*[A-Z0-9À-ÞΑ-ΩА-Я])")
# ... unless what ends there is an initial or one of these.
_ABBREVIATION = re.compile(
    r"(?:\b[A-Z]|\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Gen|Col|Lt|Sgt|Capt|Rev|Hon|vs|etc|cf|ca|al|Fig|Figs|Eq|Eqs|No|Nos|"
    r"Vol|pp|ed|eds|Inc|Ltd|Co|Corp|approx|e\.g|i\.e|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec))\.$"
)


def split_sentences(text: str) -> list[str]:
    """The sentences of running text, white space normalised; a blank line always ends a
    sentence."""
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
        if _ABBREVIATION.search(text, max(start, end - 12), end):
            continue
        sentences.append(text[start:end])
        start = match.end()
    return [*sentences, text[start:]] if text[start:] else sentences
