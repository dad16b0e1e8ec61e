"""A report on made-up runs: its runs, its folder, its parsed page."""

from pathlib import Path

import pytest
from html_page import Page
from made_up_runs import NASTY, make_cell, make_run, make_study

from crl.experiments.report.write import write_report
from crl.experiments.storage.manifest import Cell


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of every study on images, a sweep, and a run of none."""
    root = tmp_path_factory.mktemp("outputs").resolve()
    curve = [
        {
            "step": e,
            "epoch": e,
            **{
                f"{kind}_loss": 1 / e
                for kind in ("unsupervised_train", "unsupervised_test", "supervised_test")
            },
        }
        for e in range(1, 5)
    ]
    pair = (0.9, 0.92)

    def cells(*labels: dict[str, object]) -> list[Cell]:
        return [make_cell(root, label, pair) for label in labels]

    supervised = make_cell(
        root, {"method": "supervised"}, (0.95, 0.96), objective__name="supervised"
    )
    make_study(root, "table1", supervised, *cells({"method": "unsupervised"}))
    make_study(
        root,
        "table2",
        *cells(*({"method": m, "block_size": b} for m in ("CURL", "QT") for b in (2, 5))),
    )
    make_study(
        root,
        "fig2a",
        *cells(*({"negatives": k, "fraction": f} for k in (1, 4, 10) for f in (0.5, 1.0))),
    )
    runs = tuple(make_run(root, "glyphs-curve-00000001", seed, 0.9, curve=curve) for seed in (0, 1))
    make_study(root, "fig2c", Cell({}, runs))
    few = {f"test.{c}10pct.{m}": 0.5 for c in ("mean", "linear") for m in ("avg2", "avg5", "top1")}
    make_study(
        root,
        "labels",
        make_cell(root, {"method": "unsupervised", "classifier": "mean10pct"}, pair, more=few),
    )
    make_study(
        root,
        "collisions",
        *cells(*({"collisions": c, "negatives": 4} for c in ("allowed", "removed"))),
    )
    make_study(
        root,
        "budget",
        *cells(*({"axis": "negatives", "value": v, "equal": "points"} for v in (1, 4))),
    )
    make_study(root, "sweep", *cells({"optimizer.lr": 0.01}, {"optimizer.lr": 0.001}))
    make_run(root, f"glyphs-{NASTY}-0badf00d", 0, 0.7)
    return root


@pytest.fixture(scope="module")
def report(outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_report([outputs], out)
    return out


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    parsed = Page()
    parsed.feed((report / "index.html").read_text())
    parsed.close()
    return parsed
