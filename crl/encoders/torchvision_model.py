"""Any torchvision classifier without its last layer."""

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision import models
from torchvision.transforms.functional import resize

from crl.encoders.images import Standardise
from crl.encoders.weight_files import load_weights

RANDOM, DOWNLOAD = "random", "download"
# The pixel statistics that torchvision's own weights were trained with.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5)  # of the two that came from TensorFlow
_INCEPTIONS = ("googlenet", "inception_v3")


class TorchvisionModel(nn.Module):
    """The inputs of the model's last linear layer: uint8 [m, 3, H, W] -> [m, d].

    A ``dimension`` other than 0 adds a linear layer d -> dimension. ``weights`` is "random",
    "download" (torchvision's default weights) or the path of a file with a state dict of that
    model, as :func:`crl.encoders.weight_files.load_weights` reads it. Images are resized to
    ``image_size`` pixels a side. They are standardised as torchvision's weights need it, or by
    ``mean`` and ``std`` for random weights. ``notes``: lines for the user on the weights. Raises
    ValueError for an unknown model and for weights that cannot be loaded.
    """

    def __init__(
        self,
        dimension: int,
        mean: Sequence[float],
        std: Sequence[float],
        model: str,
        weights: str,
        image_size: int,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        if weights != RANDOM:
            mean, std = (_HALF, _HALF) if model in _INCEPTIONS else (_MEAN, _STD)
        self.standardise = Standardise(mean, std)
        self.model = _model(model)
        linear = [
            (name, module)
            for name, module in self.model.named_modules()
            if isinstance(module, nn.Linear)
        ]
        if not linear:
            raise ValueError(f"{model} has no linear layer to remove")
        name, last = linear[-1]
        self.notes: list[str] = []
        if weights == DOWNLOAD:
            _download(self.model, model)
        elif weights != RANDOM:
            self.notes = load_weights(self.model, weights, model, name)
        self.model.set_submodule(name, nn.Identity())
        self.last = nn.Linear(last.in_features, dimension) if dimension else nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.last(self.model(self._input(pixels)))

    def tokens(self, pixels: Tensor) -> Tensor:
        """The tokens [m, T, d] of the images.

        They are the places of a convolutional network's last feature map, or a transformer's
        tokens. Raises ValueError for a model that has neither.
        """
        pools = [
            module for module in self.model.modules() if isinstance(module, nn.AdaptiveAvgPool2d)
        ]
        layer = pools[-1] if pools else getattr(self.model, "encoder", None)
        if not isinstance(layer, nn.Module):
            raise ValueError("this model has neither a pooled feature map nor tokens")
        captured: list[Tensor] = []
        with layer.register_forward_hook(
            lambda module, inputs, output: captured.append(inputs[0] if pools else output)
        ):
            self.model(self._input(pixels))
        tokens = captured[-1]
        return tokens.flatten(2).transpose(1, 2) if tokens.dim() == 4 else tokens

    def _input(self, pixels: Tensor) -> Tensor:
        images = self.standardise(pixels)
        size = [self.image_size, self.image_size]
        return images if [*images.shape[2:]] == size else resize(images, size, antialias=True)


def _model(name: str) -> nn.Module:
    classifiers = models.list_models(module=models)
    if name not in classifiers:
        raise ValueError(
            f"torchvision has no classifier {name!r}; it has {', '.join(classifiers[:5])}, ..."
        )
    if name not in _INCEPTIONS:
        return models.get_model(name, weights=None)
    model = models.get_model(name, weights=None, init_weights=True)  # the default, without warning
    # Their second and third classifiers would make a tuple of the output in training.
    model.aux_logits = False
    for auxiliary in ("aux1", "aux2", "AuxLogits"):
        if hasattr(model, auxiliary):
            setattr(model, auxiliary, None)
    return model


def _download(model: nn.Module, name: str) -> None:
    """Load torchvision's default weights, but for the classifiers that are not used."""
    try:
        state = models.get_model_weights(name).DEFAULT.get_state_dict(
            check_hash=True, weights_only=True
        )
        own = model.state_dict()
        model.load_state_dict(
            {key: value for key, value in state.items() if key in own or "aux" not in key.lower()}
        )
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"the weights of {name} cannot be downloaded ({error}); give a file of them"
        ) from error
