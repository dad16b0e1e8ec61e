"""Augmentations against a reference that takes one image at a time."""

import numpy as np
import pytest
import torch

from crl.data.augment import AUGMENTATIONS, Share


def images(count: int, size: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, 3, size, size), generator=random, dtype=torch.uint8)


def augmented(name: str, batch: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return AUGMENTATIONS[name](batch, torch.Generator().manual_seed(seed))


def shifts_of(image: torch.Tensor, reach: int) -> dict[tuple[int, int], np.ndarray]:
    """The image under every move: padded with its mirror image, then cut."""
    size = image.shape[-1]
    wide = np.pad(image.numpy(), ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
    moves = range(2 * reach + 1)
    return {(y, x): wide[:, y : y + size, x : x + size] for y in moves for x in moves}


@pytest.mark.parametrize(("size", "reach"), [(16, 2), (9, 1), (4, 1)])
def test_shift_moves_every_image_by_a_move_of_its_own(size, reach):
    batch = images(400, size)
    made = []
    for before, after in zip(batch, augmented("shift", batch), strict=True):
        fitting = [
            move
            for move, wanted in shifts_of(before, reach).items()
            if np.array_equal(wanted, after.numpy())
        ]
        assert len(fitting) == 1
        made.append(fitting[0])
    assert (
        len(set(made)) == (2 * reach + 1) ** 2
    )  # every move occurs, rows and columns independently


def test_flip_shift_mirrors_about_every_second_of_the_shifted_images():
    batch = images(400, 8)
    flips = 0
    for before, after in zip(batch, augmented("flip_shift", batch), strict=True):
        plain = any(
            np.array_equal(wanted, after.numpy()) for wanted in shifts_of(before, 1).values()
        )
        mirrored = any(
            np.array_equal(wanted, after.flip(2).numpy())
            for wanted in shifts_of(before, 1).values()
        )
        assert plain != mirrored
        flips += mirrored
    assert 150 < flips < 250  # five standard deviations either side


def test_none_changes_nothing():
    assert torch.equal(augmented("none", images(5, 8)), images(5, 8))


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_shape_and_dtype_stay_and_the_input_is_left_alone(name, dtype):
    batch = images(7, 8).to(dtype)
    result = augmented(name, batch)
    assert result.shape == batch.shape and result.dtype == dtype
    assert torch.equal(batch, images(7, 8).to(dtype))
    assert len(augmented(name, batch[:0])) == 0


@pytest.mark.parametrize("name", ["shift", "flip_shift"])
def test_the_generator_determines_the_result(name):
    batch = images(50, 8)
    assert torch.equal(augmented(name, batch, 3), augmented(name, batch, 3))
    assert not torch.equal(augmented(name, batch, 3), augmented(name, batch, 4))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_share_of_a_batch_is_augmented_as_in_the_whole(name):
    batch, index = images(40, 16), torch.tensor([3, 4, 17, 39])
    share = AUGMENTATIONS[name](batch[index], torch.Generator().manual_seed(0), Share(index, 40))
    assert torch.equal(share, augmented(name, batch)[index])
