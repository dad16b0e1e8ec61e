"""Augmentation of a whole batch of images at once, on the device that holds it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """The images of a batch that this process holds.

    ``index`` [m]: their places in the batch. ``size``: the size of the batch. An image is augmented
    in the same way on every process.
    """

    index: Tensor
    size: int


def unchanged(images: Tensor, generator: torch.Generator, share: Share | None = None) -> Tensor:
    """Return the images as they are."""
    return images


def shift(images: Tensor, generator: torch.Generator, share: Share | None = None) -> Tensor:
    """Move every image [m, 3, H, W] by up to H / 8 pixels in each direction.

    The border mirrors what is inside.
    """
    height, width = images.shape[2:]
    reach = max(height // 8, 1)
    share = share or _whole(images)
    moves = torch.randint(
        -reach, reach + 1, (2, share.size, 1), generator=generator, device=images.device
    )[:, share.index]
    rows = _reflected(torch.arange(height, device=images.device) + moves[0], height)
    columns = _reflected(torch.arange(width, device=images.device) + moves[1], width)
    images = images.gather(2, rows[:, None, :, None].expand_as(images))
    return images.gather(3, columns[:, None, None, :].expand_as(images))


def flip_shift(images: Tensor, generator: torch.Generator, share: Share | None = None) -> Tensor:
    """Apply :func:`shift`, then mirror every image left to right with probability 1/2."""
    images = shift(images, generator, share)
    share = share or _whole(images)
    flipped = torch.rand(share.size, generator=generator, device=images.device) < 0.5
    return torch.where(flipped[share.index][:, None, None, None], images.flip(3), images)


# Each changes images [m, 3, H, W]; without a share, they are the whole batch.
AUGMENTATIONS = {
    "none": unchanged,
    "shift": shift,
    "flip_shift": flip_shift,
}


def _whole(images: Tensor) -> Share:
    return Share(torch.arange(len(images), device=images.device), len(images))


def _reflected(index: Tensor, size: int) -> Tensor:
    """Indices with those beyond the border mirrored inside; the border itself is not repeated."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)
