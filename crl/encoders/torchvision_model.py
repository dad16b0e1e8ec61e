"""Any classifier of torchvision without its last layer."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.transforms.functional import resize

from crl.encoders.images import Standardise

RANDOM, DOWNLOAD = "random", "download"
# What torchvision's own weights were trained with.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TorchvisionModel(nn.Module):
    """uint8 [m, 3, H, W] -> [m, d], what the model's last linear layer reads; with a ``dimension``,
    one more layer on it.

    ``weights``: "random", "download" (torchvision's default ones) or the path of a file with a
    state dict of that model, which is loaded as tensors only. Images are resized to ``image_size``
    pixels a side and standardised as torchvision's weights want it; with random weights, by the
    statistics of the data. Raises ValueError for a model or weights that cannot be had.
    """

    def __init__(
        self,
        dimension: int,
        mean: Sequence[float],
        std: Sequence[float],
        model: str,
        weights: str = DOWNLOAD,
        image_size: int = 224,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.standardise = Standardise(mean, std) if weights == RANDOM else Standardise(_MEAN, _STD)
        self.model = _model(model, weights)
        layers = [(n, m) for n, m in self.model.named_modules() if isinstance(m, nn.Linear)]
        if not layers:
            raise ValueError(f"{model} has no linear layer that could be taken off")
        name, last = layers[-1]
        self.model.set_submodule(name, nn.Identity())
        self.last = nn.Linear(last.in_features, dimension) if dimension else nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.last(self.model(self._input(pixels)))

    def tokens(self, pixels: Tensor) -> Tensor:
        """[m, T, d]: the places of a convolutional network's last feature map, or a transformer's
        tokens."""
        kept: list[Tensor] = []
        pools = [
            module for module in self.model.modules() if isinstance(module, nn.AdaptiveAvgPool2d)
        ]
        if pools:
            hook = pools[-1].register_forward_pre_hook(
                lambda module, inputs: kept.append(inputs[0])
            )
        elif isinstance(inner := getattr(self.model, "encoder", None), nn.Module):
            hook = inner.register_forward_hook(lambda module, inputs, output: kept.append(output))
        else:
            raise ValueError("this model has no feature map that is pooled, and no token")
        try:
            self.model(self._input(pixels))
        finally:
            hook.remove()
        return kept[-1].flatten(2).transpose(1, 2) if kept[-1].dim() == 4 else kept[-1]

    def _input(self, pixels: Tensor) -> Tensor:
        found = self.standardise(pixels)
        side = [self.image_size, self.image_size]
        return found if [*found.shape[2:]] == side else resize(found, side, antialias=True)


def _model(name: str, weights: str) -> nn.Module:
    classifiers = list_models(module=__import__("torchvision.models").models)
    if name not in classifiers:
        raise ValueError(
            f"torchvision has no classifier {name!r}; it has {', '.join(classifiers[:5])}, ..."
        )
    model = get_model(name, weights=None)
    if weights == RANDOM:
        return model
    if weights == DOWNLOAD:
        try:
            found = get_model_weights(name).DEFAULT.get_state_dict(
                check_hash=True, weights_only=True
            )  # tensors alone
            model.load_state_dict(found)
        except (OSError, RuntimeError) as error:
            raise ValueError(
                f"the weights of {name} cannot be downloaded ({error}); give a file of them"
            ) from error
        return model
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ValueError(
            f"weights: {weights} is no file; give random, download or a file with a state dict"
        )
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises many kinds for a damaged or foreign file
        why = str(error).strip().splitlines()[0]
        raise ValueError(
            f"weights: {weights} does not hold a state dict of {name} ({why})"
        ) from error
    return model
