"""One image file as the pixels that a viewer shows."""

import warnings
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

_MOST_PIXELS = 2**27  # of one image: 400 MB
# For EPS, Pillow would start an interpreter. Of the others it knows no more than the name.
_NOT_READ = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
# Tried whatever a file is called, since files are often misnamed. The other formats can be taken
# for anything, so they are tried for their own endings alone.
_USUAL = ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"]
# Formats whose numbers of 16 bits come as 32.
_OF_16_BITS = (("I", "PNG"), ("I", "PPM"))

# What is read differently from what one may expect; how many images it holds for stands before it.
ODDITIES = {
    "turned": "images turned as their EXIF orientation says",
    "transparent": "images with transparent parts laid on white",
    "frames": "images with several frames: the first of each is read",
    "deep": "images of 16 bits a channel read as 8 bits (value / 256)",
}


class Picture(NamedTuple):
    """An image: pixels uint8 [size, size, 3], and which of :data:`ODDITIES` hold for it."""

    pixels: np.ndarray
    oddities: list[str]


@cache
def formats_by_ending() -> dict[str, str]:
    """The endings that are read, in small letters, with their format of Pillow's."""
    return {
        ending: name
        for ending, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in _NOT_READ
    }


def read_picture(path: Path, size: int) -> Picture:
    """Read an image and resize it to ``size`` pixels a side.

    The size in its header is checked before it is decoded. Raises errors of many kinds, as Pillow
    does, for what is no image or cannot be read.
    """
    formats = [*_USUAL, formats_by_ending().get(path.suffix.lower(), _USUAL[0])]
    oddities: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata
        if path.stat().st_size == 0:
            raise ValueError("empty file")
        try:
            opened = Image.open(path, formats=formats)
        except UnidentifiedImageError as error:
            raise ValueError("no image of a format that is read") from error
        with opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise ValueError(
                    f"{opened.width} x {opened.height} pixels; at most {_MOST_PIXELS} can be read"
                )
            if getattr(opened, "is_animated", False) and opened.format != "MPO":
                oddities.append("frames")
            opened.load()
            image = _upright(opened, oddities)
            image = _of_8_bits(image, opened.format, oddities)
            image = _opaque(image, oddities).convert("RGB")
            pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return Picture(pixels, oddities)


def _upright(image: Image.Image, oddities: list[str]) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow raises errors of many kinds for EXIF data that viewers ignore too
        return image
    if orientation not in range(2, 9):
        return image
    oddities.append("turned")
    return ImageOps.exif_transpose(image)


def _of_8_bits(image: Image.Image, source: str | None, oddities: list[str]) -> Image.Image:
    """The image with 8 bits a channel; conversion alone would clip all values above 255."""
    if image.mode[0] not in "IF":
        return image
    if not image.mode.startswith("I;16") and (image.mode, source) not in _OF_16_BITS:
        kind = "floating-point" if image.mode[0] == "F" else "32-bit"
        raise ValueError(f"{kind} pixels are not read; save it with 8 or 16 bits a channel")
    oddities.append("deep")
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _opaque(image: Image.Image, oddities: list[str]) -> Image.Image:
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema()[0] == 255:
        return image
    oddities.append("transparent")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
