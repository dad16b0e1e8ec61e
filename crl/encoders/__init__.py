"""The encoders that can be chosen by name. To add one: one file here, one line in ``ENCODERS``.

An encoder is an ``nn.Module`` whose constructor takes ``dimension`` (the number of outputs), the
options of its configuration group by name, and what its input needs; its forward maps a batch to
features [m, dimension].

- images: the batch is uint8 [m, 3, H, W]; the constructor also takes ``mean`` and ``std`` (3 floats
  each, in [0, 1]).
- sentences: the batch is int64 word ids [m, L], 0 where a sentence has ended; the constructor also
  takes ``vectors`` [V, e], the word vectors (row 0 belongs to the padding, row 1 to unknown words).
- features: the batch is float32 [m, d], or [m, T, d] for T tokens of each point.

An encoder that can say more of a point than one vector has a method ``tokens``: batch -> [m, T, d],
for attentive probes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import nn


class Entry(NamedTuple):
    """Where an encoder lives and what it reads. Named here, imported only when chosen."""

    module: str
    class_name: str
    reads: str  # "images", "sentences" or "features"


ENCODERS: dict[str, Entry] = {
    "vgg16": Entry("vgg16", "VGG16", "images"),
    "small_cnn": Entry("small_cnn", "SmallCNN", "images"),
    "torchvision": Entry("torchvision_model", "TorchvisionModel", "images"),
    "installed": Entry("installed", "Installed", "images"),
    "identity": Entry("identity", "Identity", "features"),
    "gru": Entry("gru", "GRUEncoder", "sentences"),
    "bag_of_words": Entry("bag_of_words", "BagOfWords", "sentences"),
}


def build_encoder(name: str, **options: object) -> "nn.Module":
    """The encoder of that name. Raises KeyError for a name that is not in ``ENCODERS``."""
    entry = ENCODERS[name]
    module = import_module(f"{__name__}.{entry.module}")
    return getattr(module, entry.class_name)(**options)
