"""The two runs that are disturbed here in every way."""

import numpy as np
import pytest
from PIL import Image
from processes import ForkServer, Undisturbed, undisturbed


@pytest.fixture(scope="session")
def texts(crl: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Bag of words over four documents, with dropout."""
    place = tmp_path_factory.mktemp("texts")
    folder = place / "documents"
    folder.mkdir()
    for topic in ("tea", "sea", "ore", "sky"):
        lines = [
            f"the {topic}{i % 7} and the {topic}{i % 5} are {topic}{i % 3} on day {i} ."
            for i in range(40)
        ]
        (folder / f"{topic}.txt").write_text("\n".join(lines))
    return undisturbed(
        crl, place, "dataset=documents", f"dataset.root={folder}", "dataset.min_sentences=20",
        "encoder=bag_of_words", "encoder.dimension=8", "encoder.embedding_dim=8",
        "encoder.dropout=0.3", "objective.block_size=3", "objective.negatives=3",
    )  # fmt: skip


@pytest.fixture(scope="session")
def images(crl: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A small CNN on a folder of coloured images, with augmentation."""
    place = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 100, (4, 12, 8, 8, 3), dtype=np.uint8)
    for number, shade in enumerate(pixels):
        folder = place / "images" / f"class{number}"
        folder.mkdir(parents=True)
        for index, image in enumerate(shade):
            Image.fromarray(image + np.uint8(40 * number)).save(folder / f"{index}.png")
    return undisturbed(
        crl, place, "dataset=image_folder", f"dataset.root={place}/images",
        "dataset.image_size=8", "encoder.width=2", "encoder=small_cnn", "encoder.dimension=8",
        "dataset.augment=flip_shift", "dataset.dev_fraction=0.3", "evaluation.shots=1",
        "objective.negatives=3",
    )  # fmt: skip
