"""Run folders with chosen numbers, for the report to read; nothing is trained."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from crl.experiments.storage.manifest import Cell, Manifest, Study, write_manifest
from crl.experiments.storage.run_folder import RunFolder

# A name with every character that HTML, LaTeX or Markdown would read as its own.
NASTY = "a&b_<i>%{}|`$~^\\"

CONFIG: dict[str, Any] = {
    "dataset": {"name": "glyphs", "train_fraction": 1.0, "augment": "none"},
    "encoder": {"name": "small_cnn", "dimension": 100, "width": 4},
    "objective": {
        "name": "contrastive",
        "loss": "logistic",
        "block_size": 2,
        "negatives": 4,
        "negative_source": "pooled",
    },
    "optimizer": {"name": "adamw", "lr": 0.001},
    "training": {"steps": 30, "batch_size": 64, "checkpoint_seconds": 60.0},
    "evaluation": {"ks": [2, 5], "tops": [1], "shots": 5, "batch_size": 1000},
    "runtime": {"device": "auto", "precision": "float32"},
    "seed": 0,
    "output_dir": "outputs",
}


def theory(slack: float = 0.1, unsupervised: float = 0.5) -> dict[str, Any]:
    """Return the part ``theory`` of result.json; every bound has this slack."""
    exact = {
        "left": 0.4,
        "right": 0.4 + slack,
        "slack": slack,
        "exact": True,
        "standard_error": 0.0,
    }
    names = ("same_at_least_one", "lemma_4_3", "lemma_4_4", "theorem_4_5")
    sampled = exact | {"exact": False, "standard_error": 0.01}
    quantities: dict[str, Any] = {name: dict(exact) for name in names}
    quantities |= {name: dict(sampled) for name in ("theorem_6_1", "proposition_6_2")}
    quantities |= {
        "tau": 0.01,
        "tau_k": 0.04,
        "intraclass_deviation": 0.2,
        "largest_squared_norm": 1.0,
    }
    quantities["unsupervised_loss"] = {
        "total": unsupervised,
        "same": 1.1,
        "different": 0.4,
        "sampled": {"mean": 0.9},
    }
    quantities["supervised_mean_loss"] = {"pairs": 0.4}
    return quantities | {"train": copy.deepcopy(quantities)}


def make_run(
    root: Path,
    name: str,
    seed: int,
    accuracy: float,
    more: dict[str, float] | None = None,
    curve: Sequence[dict[str, float]] = (),
    slack: float = 0.1,
    fingerprint: str | None = None,
    **overrides: Any,
) -> Path:
    """Write a finished run whose mean classifier has this AVG-2; return its folder.

    The other accuracies differ from it a little. ``fingerprint``: that of its data.
    ``group__option`` sets an option.
    """
    config = copy.deepcopy(CONFIG) | {"seed": seed}
    for key, value in overrides.items():
        group, _, option = key.partition("__")
        config[group][option] = value
    metrics = {
        f"test.mean.{metric}": accuracy - drop
        for metric, drop in (("avg2", 0), ("avg5", 0.1), ("top1", 0.3))
    }
    metrics |= {name.replace("mean", "linear"): value + 0.01 for name, value in metrics.items()}
    metrics |= {
        f"test.mean5.{metric}": metrics[f"test.mean.{metric}"] - 0.01
        for metric in ("avg2", "avg5", "top1")
    }
    metrics |= {"test.mean5.avg2.std": 0.001, "dev.loss": 1 - accuracy} | (more or {})
    result = {
        "schema": 1,
        "name": name,
        "seed": seed,
        "dataset": {
            "name": config["dataset"]["name"],
            "classes": 100,
            "train_points": 90,
            "test_points": 10,
            **({"fingerprint": fingerprint} if fingerprint else {}),
        },
        "metrics": metrics,
        "theory": theory(slack),
        "warnings": [],
        "timing": {"train_seconds": 1.5},
        "environment": {
            "command": ["crl", "train", f"seed={seed}"],
            "versions": {"crl": "0.1.0", "torch": "2.10.0"},
            "device": "cpu: x86_64",
            "commit": "0123456789abcdef+",
        },
    }
    folder = root / "runs" / name / f"seed{seed}"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in curve))
    RunFolder(folder).write_result(result)
    return folder


def make_cell(
    root: Path, labels: dict[str, Any], accuracies: Sequence[float], name: str = "", **options: Any
) -> Cell:
    """Write one configuration's runs with these accuracies, a seed each; return their cell."""
    name = name or "-".join(
        ["glyphs", *(f"{key}{value}" for key, value in labels.items()), "0a0a0a0a"]
    )
    runs = (make_run(root, name, seed, value, **options) for seed, value in enumerate(accuracies))
    return Cell(labels, tuple(runs))


def make_study(root: Path, name: str, *cells: Cell, dataset: str = "glyphs") -> Path:
    """Write the manifest of one study; return its path."""
    path = root / f"{name}.study.json"
    write_manifest(path, Manifest("test", ("crl", "reproduce"), (Study(name, dataset, cells),)))
    return path
