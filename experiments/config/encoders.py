"""The encoders: the options of each one, and its class. Imports no torch.

crl/encoders/__init__.py says what an encoder is. To add one, write a module there, and add its
options and its line in ``ENCODERS`` here.
"""

from dataclasses import dataclass, fields
from typing import Any

from omegaconf import MISSING

from crl.experiments.config.choices import Choices
from crl.experiments.config.option import Choice, changed, option


@dataclass
class EncoderConfig:
    """The options of every encoder."""

    name: str = MISSING
    dimension: int = option(100, "How many features a point gets.", unit="features", least=1)

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

    batch_norm: bool = option(True, "Batch norm after every convolution.")
    dropout: float = option(
        0.0, "Share of the inputs of the last layer that training drops.", least=0, below=1
    )


@dataclass
class SmallCNNConfig(EncoderConfig):
    """Four convolutions and a linear layer, which a CPU trains in minutes."""

    width: int = option(
        32,
        "Width of the first convolution; the last is four times as wide.",
        unit="channels",
        least=1,
    )


@dataclass
class FrozenEncoderConfig(EncoderConfig):
    """An encoder that has a number of features of its own."""

    dimension: int = option(
        0, "Leave this as it is: the encoder decides how many features a point gets.", least=0
    )


@dataclass
class IdentityConfig(FrozenEncoderConfig):
    """Features of another program, as they are."""


@dataclass
class TorchvisionConfig(FrozenEncoderConfig):
    """A torchvision classifier without its last layer: encoder=torchvision:MODEL."""

    dimension: int = option(
        0,
        "Features of a linear layer that is put on top; zero adds none.",
        unit="features",
        least=0,
    )
    model: str = option("resnet18", "Name of the model in torchvision, such as vit_b_16.")
    weights: str = option(
        "download", "Where the weights come from: download, random, or a .pt or .safetensors file."
    )
    image_size: int = option(
        224, "Height and width that images are resized to.", unit="pixels", least=8, most=1024
    )

    @property
    def title(self) -> str:
        """The model's name in torchvision."""
        return self.model

    def files(self) -> dict[str, str]:
        """The file of weights, if they come from one."""
        return {} if self.weights in ("random", "download") else {"weights": self.weights}


@dataclass
class InstalledConfig(FrozenEncoderConfig):
    """An encoder that an installed package offers: encoder=installed:NAME."""

    model: str = option("", "Name of the entry point in the group crl.encoders.")

    @property
    def title(self) -> str:
        """The name that the package gives it."""
        return self.model


@dataclass
class SentenceEncoderConfig(EncoderConfig):
    """The options of every encoder of sentences."""

    dimension: int = changed(EncoderConfig, "dimension", 300)
    embedding: str = option(
        "corpus",
        "Word vectors: learned first, on the training text; read from a file; or trained along.",
        choices=("corpus", "glove", "learned"),
    )
    embedding_dim: int = option(
        300, "Length of a word vector; a file of vectors has its own.", unit="numbers", least=1
    )
    glove_path: str | None = option(
        None,
        "Text file of word vectors of GloVe, word2vec or fastText; may be packed by gzip.",
        null="embedding=glove needs one",
    )
    frozen: bool = option(
        True, "Keep the word vectors as they are; learned ones are always trained."
    )
    dropout: float = option(
        0.0, "Share of the mean vector's numbers that training drops.", least=0, below=1
    )

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
    """A recurrent network that reads word by word, the paper's encoder of text."""

    bidirectional: bool = option(
        True, "Read sentences from both ends; each direction gives half of the features."
    )
    dropout: float = option(
        0.3, "Share of the word vectors' numbers that training drops.", least=0, below=1
    )


@dataclass
class BagOfWordsConfig(SentenceEncoderConfig):
    """The mean of a sentence's word vectors, then a linear layer."""


_OWN = {
    "vgg16": Choice(VGG16Config, "crl.encoders.vgg16:VGG16", "images"),
    "small_cnn": Choice(SmallCNNConfig, "crl.encoders.small_cnn:SmallCNN", "images"),
    "torchvision": Choice(
        TorchvisionConfig, "crl.encoders.torchvision_model:TorchvisionModel", "images"
    ),
    "installed": Choice(InstalledConfig, "crl.encoders.installed:Installed", "images"),
    "identity": Choice(IdentityConfig, "crl.encoders.identity:Identity", "features"),
    "gru": Choice(GRUConfig, "crl.encoders.gru:GRUEncoder", "sentences"),
    "bag_of_words": Choice(BagOfWordsConfig, "crl.encoders.bag_of_words:BagOfWords", "sentences"),
}

ENCODERS = Choices(
    "encoder",
    {"images": EncoderConfig, "sentences": SentenceEncoderConfig, "features": EncoderConfig},
    _OWN,
    "crl.encoders",
)
