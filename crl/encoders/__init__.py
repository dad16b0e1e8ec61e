"""The encoders by name. To add one: one file here, one line in ``ENCODERS``.

An encoder is an ``nn.Module``. Its forward maps a batch to features [m, dimension]. Its constructor
takes ``dimension``, the options of its configuration group by name (their defaults are those of the
schema), and what its input needs:

- images: the batch is uint8 [m, 3, H, W]. The constructor also takes ``mean`` and ``std``, 3 floats
  each in [0, 1].
- sentences: the batch is int64 word ids [m, L], 0 after the end of a sentence. The constructor also
  takes the word vectors ``vectors`` [V, e]: row 0 is the padding's, row 1 that of unknown words.
- features: the batch is float32 [m, d], or [m, T, d] for T tokens of each point.

An encoder with several vectors for a point has a method ``tokens``: batch -> [m, T, d]. Attentive
probes read them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import nn


class Entry(NamedTuple):
    """An encoder's module, class and input. Its module is imported when it is chosen."""

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
    """Build the encoder of that name. Raises KeyError for a name that is not in ``ENCODERS``."""
    entry = ENCODERS[name]
    module = import_module(f"{__name__}.{entry.module}")
    return getattr(module, entry.class_name)(**options)
