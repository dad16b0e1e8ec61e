"""Augmentation of a whole batch of images at once, on the device where it lies."""

from collections.abc import Callable

import torch
from torch import Tensor

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def unchanged(images: Tensor, generator: torch.Generator) -> Tensor:
    """The images as they are."""
    return images


def shift(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every image [m, 3, H, W] moved by up to H / 8 pixels in each direction, mirrored at the border."""
    count, _, height, width = images.shape
    reach = max(height // 8, 1)
    moves = torch.randint(-reach, reach + 1, (2, count, 1), generator=generator, device=images.device)
    rows = _reflected(torch.arange(height, device=images.device) + moves[0], height)
    columns = _reflected(torch.arange(width, device=images.device) + moves[1], width)
    images = images.gather(2, rows[:, None, :, None].expand_as(images))
    return images.gather(3, columns[:, None, None, :].expand_as(images))


def flip_shift(images: Tensor, generator: torch.Generator) -> Tensor:
    """:func:`shift`, and every second image on average mirrored left to right."""
    images = shift(images, generator)
    flipped = torch.rand(len(images), generator=generator, device=images.device) < 0.5
    return torch.where(flipped[:, None, None, None], images.flip(3), images)


AUGMENTATIONS: dict[str, Augmentation] = {"none": unchanged, "shift": shift, "flip_shift": flip_shift}


def _reflected(index: Tensor, size: int) -> Tensor:
    """Indices beyond the border mirrored back inside, without repeating the border itself."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)
