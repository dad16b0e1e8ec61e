"""The encoders: the options of each one, and its class. Imports no torch.

crl/encoders/__init__.py says what an encoder is. To add one, write a module there, and add its
options and its line in ``ENCODERS`` here.
"""

from dataclasses import dataclass, fields
from typing import Any

from omegaconf import MISSING

from crl.experiments.config.choices import Choices
from crl.experiments.config.option import Choice, option


@dataclass
class EncoderConfig:
    """The options of every encoder. ``dimension``: the number of its outputs."""

    name: str = MISSING
    dimension: int = option(100, least=1)

    @property
    def title(self) -> str:
        """How people call the encoder."""
        return self.name

    def arguments(self) -> dict[str, Any]:
        """The options that the constructor takes."""
        return {spec.name: getattr(self, spec.name) for spec in fields(self) if spec.name != "name"}

    def files(self) -> dict[str, str]:
        """The files that the encoder reads: option -> path."""
        return {}


@dataclass
class VGG16Config(EncoderConfig):
    """VGG-16, the paper's encoder of CIFAR-100."""

    batch_norm: bool = True
    dropout: float = option(0.0, least=0, below=1)


@dataclass
class SmallCNNConfig(EncoderConfig):
    """``width``: channels of the first convolution."""

    width: int = option(32, least=1)


@dataclass
class FrozenEncoderConfig(EncoderConfig):
    """``dimension``: 0 for whatever the encoder has."""

    dimension: int = option(0, least=0)


@dataclass
class TorchvisionConfig(FrozenEncoderConfig):
    """A torchvision classifier without its last layer.

    ``weights``: "random", "download" (torchvision's default weights) or a file of weights.
    ``image_size``: pixels a side that images are resized to.
    """

    model: str = "resnet18"
    weights: str = "download"
    image_size: int = option(224, least=8, most=1024)

    @property
    def title(self) -> str:
        """The model's name in torchvision."""
        return self.model

    def files(self) -> dict[str, str]:
        """The file of weights, if they come from one."""
        return {} if self.weights in ("random", "download") else {"weights": self.weights}


@dataclass
class InstalledConfig(FrozenEncoderConfig):
    """An encoder that an installed package offers in the entry-point group ``crl.encoders``.

    ``model``: its name.
    """

    model: str = ""

    @property
    def title(self) -> str:
        """The name that the package gives it."""
        return self.model


@dataclass
class SentenceEncoderConfig(EncoderConfig):
    """``embedding``: where word vectors come from.

    "glove" reads ``glove_path``; "corpus" learns them from the co-occurrences of the training
    split; "learned" trains them with the encoder.
    """

    dimension: int = option(300, least=1)
    embedding: str = option("corpus", choices=("corpus", "glove", "learned"))
    embedding_dim: int = option(300, least=1)
    glove_path: str | None = None
    frozen: bool = True
    dropout: float = option(0.0, least=0, below=1)

    def files(self) -> dict[str, str]:
        """The file of word vectors, if they come from one."""
        if self.embedding != "glove" or self.glove_path is None:
            return {}
        return {"glove_path": self.glove_path}

    def arguments(self) -> dict[str, Any]:
        """The options without those of the vectors; learned vectors are never frozen."""
        about_vectors = ("embedding", "embedding_dim", "glove_path")
        options = {k: v for k, v in super().arguments().items() if k not in about_vectors}
        return options | {"frozen": self.frozen and self.embedding != "learned"}


@dataclass
class GRUConfig(SentenceEncoderConfig):
    """The paper's encoder of text."""

    bidirectional: bool = True
    dropout: float = option(0.3, least=0, below=1)


_OWN = {
    "vgg16": Choice(VGG16Config, "crl.encoders.vgg16:VGG16", "images"),
    "small_cnn": Choice(SmallCNNConfig, "crl.encoders.small_cnn:SmallCNN", "images"),
    "torchvision": Choice(
        TorchvisionConfig, "crl.encoders.torchvision_model:TorchvisionModel", "images"
    ),
    "installed": Choice(InstalledConfig, "crl.encoders.installed:Installed", "images"),
    "identity": Choice(FrozenEncoderConfig, "crl.encoders.identity:Identity", "features"),
    "gru": Choice(GRUConfig, "crl.encoders.gru:GRUEncoder", "sentences"),
    "bag_of_words": Choice(
        SentenceEncoderConfig, "crl.encoders.bag_of_words:BagOfWords", "sentences"
    ),
}

ENCODERS = Choices(
    "encoder",
    {"images": EncoderConfig, "sentences": SentenceEncoderConfig, "features": EncoderConfig},
    _OWN,
    "crl.encoders",
)
