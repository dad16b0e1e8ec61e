"""Preparing text at the size of Wiki-3029: 3,000 articles of 200 sentences, 600,000 in all.

The articles are made up: sentences of 12 to 30 words with punctuation, words drawn from 100,000 by
Zipf's law. ``data.datasets.wiki3029.load_wiki3029`` prepares them with an empty cache, as every run
does, and then loads them from the cache, each time in a process of its own. Starting the process
and importing is not timed. The peak memory is that of the whole process that prepares.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from benchmarks.process import in_own_process
from crl.data.datasets.wiki3029 import load_wiki3029
from crl.experiments.config.datasets import Wiki3029Config

ARTICLES, SENTENCES, WORDS = 3000, 200, 100_000
PREPARATIONS = 2  # fewer than the repeats of the other rows: each takes half a minute


def measure(
    repeats: int, articles: int = ARTICLES, preparations: int = PREPARATIONS
) -> dict[str, list[float]]:
    """Return sentences prepared per second, seconds of a load from the cache, peak memory (GB)."""
    speeds, peaks = [], []
    with TemporaryDirectory() as folder:
        root = Path(folder) / "articles"
        write_articles(root, articles)
        for number in tqdm(range(preparations), desc="text", disable=None, leave=False):
            cache = Path(folder) / f"cache{number}"
            seconds, peak = in_own_process(load_seconds, root, cache)
            speeds.append(articles * SENTENCES / seconds)
            peaks.append(peak)
        loads = [in_own_process(load_seconds, root, cache)[0] for _ in range(repeats)]
    return {
        "text/sentences_per_second": speeds,
        "text/cached_load_seconds": loads,
        "text/peak_gb": peaks,
    }


def note() -> str:
    """Say how it measures."""
    return (
        f"{ARTICLES * SENTENCES:,} made-up sentences; prepared {PREPARATIONS} times, "
        "each in a process of its own"
    )


def load_seconds(root: Path, cache: Path) -> float:
    """Return the seconds to load the articles with this cache folder."""
    os.environ["CRL_DATA"] = str(cache)
    options = Wiki3029Config(root=str(root)).loader_arguments()
    start = time.perf_counter()
    load_wiki3029(**options)
    return time.perf_counter() - start


def write_articles(root: Path, articles: int) -> None:
    """Write one file per article into the folder, one sentence a line."""
    root.mkdir(parents=True)
    random = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(random.choice(letters, length)) for length in random.integers(2, 11, WORDS)]
    share = 1 / np.arange(1, WORDS + 1)
    cumulative = np.cumsum(share / share.sum())
    for article in range(articles):
        lengths = random.integers(12, 31, SENTENCES)
        drawn = np.searchsorted(cumulative, random.random(lengths.sum())).clip(max=WORDS - 1)
        ends = np.cumsum(lengths)
        sentences = (drawn[end - length : end] for length, end in zip(lengths, ends, strict=True))
        lines = [_sentence([words[index] for index in sentence]) for sentence in sentences]
        (root / f"Article_{article:04}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sentence(words: list[str]) -> str:
    middle = len(words) // 2
    return f"{' '.join(words[:middle]).capitalize()}, {' '.join(words[middle:])}."
