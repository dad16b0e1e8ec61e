"""Classes whose points are all alike: an encoder can put every class anywhere.

A point is a sentence of one word, which names its class. With trained word vectors
(``encoder.embedding=learned``), every class has a free embedding, and only the objective decides
where it goes.
"""

import torch

from crl.data.dataset import Dataset, Split
from crl.data.points import Sentences
from crl.data.text.tokens import SPECIAL

_HELD_OUT = 2  # dev points of every class, and test points


def load_class_ids(
    *, classes: int, points_per_class: int, dev_fraction: float, split_seed: int
) -> Dataset:
    """Make classes whose train, dev and test points are all the same.

    points_per_class: training points; dev and test have 2 each. dev_fraction and split_seed, which
    every data set has, change nothing here.
    """
    names = [f"class {c}" for c in range(classes)]
    train, dev, test = (
        _split(classes, count) for count in (points_per_class, _HELD_OUT, _HELD_OUT)
    )
    return Dataset("class_ids", names, train, dev, test, vocabulary=[*SPECIAL, *names])


def _split(classes: int, count: int) -> Split:
    words = torch.arange(classes, dtype=torch.int32).repeat_interleave(count) + len(SPECIAL)
    ends = torch.arange(len(words) + 1)
    return Split(Sentences(words, ends), ends[::count].contiguous())
