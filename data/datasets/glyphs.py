"""Built-in images in the shape of CIFAR-100: 100 characters in matplotlib's fonts."""

import string
from importlib.metadata import version
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from crl.data.dataset import Dataset, Split, cached_dataset, split_off
from crl.data.points import Images

CHARACTERS = "".join(
    [
        string.digits,
        string.ascii_uppercase,
        "abdefghijnqrt",
        "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπσφψω",
        "!?&@#$%+=*<>{}[]~§¶£€∞∫√∂",
    ]
)
FACES = [
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
]
SIZE = 32  # pixels a side


def load_glyphs(
    *, points_per_class: int, test_per_class: int, dev_fraction: float, split_seed: int
) -> Dataset:
    """Draw 100 classes of uint8 [3, 32, 32] images, one character a class.

    Every image has its own random face, colours, rotation, scale, shift and noise.
    points_per_class: train and dev images. test_per_class: test images. dev_fraction: share of
    points_per_class. split_seed: decides what is drawn. The images depend on these options and the
    installed versions alone.
    """
    key = {
        "points": points_per_class,
        "test": test_per_class,
        "dev": dev_fraction,
        "seed": split_seed,
        **{package: version(package) for package in ("matplotlib", "numpy", "pillow")},
    }
    return cached_dataset(
        "glyphs", key, lambda: _make(points_per_class, test_per_class, dev_fraction, split_seed)
    )


def _make(
    points_per_class: int, test_per_class: int, dev_fraction: float, split_seed: int
) -> Dataset:
    random = np.random.default_rng(split_seed)
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    sizes = range(18, 29)
    fonts = {(f, s): ImageFont.truetype(str(folder / f"{f}.ttf"), s) for f in FACES for s in sizes}
    count = points_per_class + test_per_class
    pixels = np.empty((len(CHARACTERS) * count, SIZE, SIZE, 3), np.uint8)
    for index in tqdm(
        range(len(pixels)), desc="drawing glyphs", unit="image", disable=None, leave=False
    ):
        face = FACES[random.integers(len(FACES))]
        size = int(random.integers(sizes.start, sizes.stop))
        pixels[index] = _render(CHARACTERS[index // count], fonts[face, size], random)
    images = Images(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous())
    whole = Split(images, torch.arange(len(CHARACTERS) + 1) * count)
    test, rest = split_off(whole.shuffled(split_seed), test_per_class / count)
    dev, train = split_off(rest, dev_fraction)
    return Dataset("glyphs", list(CHARACTERS), train, dev, test)


def _render(
    character: str, font: ImageFont.FreeTypeFont, random: np.random.Generator
) -> np.ndarray:
    """Draw one character: uint8 [32, 32, 3]."""
    mask = Image.new("L", (2 * SIZE, 2 * SIZE))
    ImageDraw.Draw(mask).text((SIZE, SIZE), character, fill=255, font=font, anchor="mm")
    mask = mask.rotate(random.uniform(-20, 20), Image.Resampling.BILINEAR)
    left, top = SIZE // 2 + random.integers(-4, 5, size=2)
    ink = np.asarray(mask.crop((left, top, left + SIZE, top + SIZE)), np.float32)[..., None] / 255
    paper_colour, ink_colour = random.uniform(0, 255, (2, 3))
    while np.abs(paper_colour - ink_colour).sum() < 150:  # too little contrast to read it
        paper_colour, ink_colour = random.uniform(0, 255, (2, 3))
    image = paper_colour + ink * (ink_colour - paper_colour) + random.normal(0, 12, (SIZE, SIZE, 3))
    return image.clip(0, 255).astype(np.uint8)
