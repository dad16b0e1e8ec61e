"""Built-in images: rendered characters."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import ImageFont

from crl.data.datasets.glyphs import CHARACTERS, FACES, _render, load_glyphs


def made(points=8, test=2, seed=0):
    return load_glyphs(
        points_per_class=points, test_per_class=test, dev_fraction=0.25, split_seed=seed
    )


def test_glyphs_have_the_shape_of_cifar_100():
    dataset = made()
    assert dataset.classes == list(CHARACTERS) and len(set(dataset.classes)) == 100
    assert dataset.vocabulary is None
    for split, size in ((dataset.train, 6), (dataset.dev, 2), (dataset.test, 2)):
        assert split.sizes.tolist() == [size] * 100
        assert split.points.rows.shape == (100 * size, 3, 32, 32)
        assert split.points.rows.dtype == torch.uint8


def pictures(dataset):
    pixels = torch.cat([split.points.rows for split in (dataset.train, dataset.dev, dataset.test)])
    return [picture.numpy().tobytes() for picture in pixels]


def test_glyphs_are_determined_by_the_seed():
    assert made(4, 1).fingerprint() == made(4, 1).fingerprint()
    assert not set(pictures(made(4, 1))) & set(pictures(made(4, 1, seed=1)))


def test_no_two_glyphs_are_the_same_picture():
    assert len(set(pictures(made()))) == 1000


@pytest.mark.parametrize("face", FACES)
def test_every_face_draws_every_character_as_another_picture(face):
    font = ImageFont.truetype(
        str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"), 28
    )

    def picture(character):
        mask = font.getmask(character)
        return mask.size, bytes(mask)

    drawn = {picture(character) for character in CHARACTERS}
    assert picture("\U0010fffd") not in drawn  # the box of a character that the face lacks
    assert len(drawn) == 100


def test_the_character_stands_out_and_fills_some_of_the_picture():
    random = np.random.default_rng(0)
    font = ImageFont.truetype(
        str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), 24
    )
    for character in CHARACTERS:
        image = torch.from_numpy(_render(character, font, random)).float()
        paper = image.flatten(0, 1).median(0).values
        far = ((image - paper).abs().sum(2) > 90).float().mean().item()
        assert 0.005 < far < 0.6, character
