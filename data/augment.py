"""Augmentation of a whole batch of images at once, on the device where it lies."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """Which images of a batch of ``size`` are given: index [m]. What is drawn for an image does not
    depend on who has it."""

    index: Tensor
    size: int


class Augmentation(Protocol):
    """Of images [m, 3, H, W]; without a share they are the whole batch."""

    def __call__(
        self, images: Tensor, generator: torch.Generator, share: Share | None = None
    ) -> Tensor: ...


def unchanged(images: Tensor, generator: torch.Generator, share: Share | None = None) -> Tensor:
    """The images as they are."""
    return images


def shift(images: Tensor, generator: torch.Generator, share: Share | None = None) -> Tensor:
    """Every image [m, 3, H, W] moved by up to H / 8 pixels in each direction, mirrored at the
    border."""
    height, width = images.shape[2:]
    reach = max(height // 8, 1)
    count = len(images) if share is None else share.size
    moves = torch.randint(
        -reach, reach + 1, (2, count, 1), generator=generator, device=images.device
    )
    if share is not None:
        moves = moves[:, share.index]
    rows = _reflected(torch.arange(height, device=images.device) + moves[0], height)
    columns = _reflected(torch.arange(width, device=images.device) + moves[1], width)
    images = images.gather(2, rows[:, None, :, None].expand_as(images))
    return images.gather(3, columns[:, None, None, :].expand_as(images))


def flip_shift(images: Tensor, generator: torch.Generator, share: Share | None = None) -> Tensor:
    """:func:`shift`, and every second image on average mirrored left to right."""
    images = shift(images, generator, share)
    flipped = (
        torch.rand(
            len(images) if share is None else share.size, generator=generator, device=images.device
        )
        < 0.5
    )
    if share is not None:
        flipped = flipped[share.index]
    return torch.where(flipped[:, None, None, None], images.flip(3), images)


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": unchanged,
    "shift": shift,
    "flip_shift": flip_shift,
}


def _reflected(index: Tensor, size: int) -> Tensor:
    """Indices beyond the border mirrored back inside, without repeating the border itself."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)
