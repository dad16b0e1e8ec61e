"""The paper's figures, and when a run of ours may stand beside them. Facts only; percentages as printed."""

from typing import Any

from omegaconf import DictConfig

# Table 1: (data set, objective) -> metric -> (TR, mu, mu-5), accuracy in %.
TABLE_1: dict[tuple[str, str], dict[str, tuple[float, float, float]]] = {
    ("wiki3029", "supervised"): {
        "avg2": (97.8, 97.7, 97.0),
        "avg10": (89.1, 87.2, 83.1),
        "top10": (67.4, 59.0, 48.2),
        "top1": (43.2, 33.2, 21.7),
    },
    ("wiki3029", "contrastive"): {
        "avg2": (97.3, 97.7, 96.9),
        "avg10": (88.4, 87.4, 83.5),
        "top10": (64.7, 59.0, 45.8),
        "top1": (38.7, 30.4, 17.0),
    },
    ("cifar100", "supervised"): {
        "avg2": (97.2, 95.9, 95.8),
        "avg5": (92.7, 89.8, 89.4),
        "top5": (88.9, 83.5, 82.5),
        "top1": (72.1, 69.9, 67.3),
    },
    ("cifar100", "contrastive"): {
        "avg2": (93.2, 92.0, 90.6),
        "avg5": (80.9, 79.4, 75.7),
        "top5": (70.4, 65.6, 59.0),
        "top1": (36.9, 31.8, 25.0),
    },
}
# The setting of Table 1 per data set: encoder, classes, block size and negatives of the contrastive objective.
_SETTINGS = {"cifar100": ("vgg16", 100, 2, 4), "wiki3029": ("gru", 3029, 10, 8)}


def table_1(config: DictConfig, result: dict[str, Any]) -> dict[str, tuple[float, float, float]] | None:
    """Table 1's figures for this run, or None where data set, encoder or setting is not the paper's."""
    setting = _SETTINGS.get(config.dataset.name)
    if setting is None or config.dataset.train_fraction != 1 or config.evaluation.shots != 5:
        return None
    encoder, classes, block_size, negatives = setting
    if (config.encoder.name, result["dataset"]["classes"]) != (encoder, classes):
        return None
    blocks = (config.objective.block_size, config.objective.negatives)
    if config.encoder.get("embedding", "glove") != "glove":
        return None
    if config.objective.name == "contrastive" and blocks != (block_size, negatives):
        return None
    return TABLE_1[config.dataset.name, config.objective.name]
