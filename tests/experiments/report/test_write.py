"""The files of a report: the same bytes for the same runs, and none left from before."""

import subprocess
import sys
from pathlib import Path

from made_up_runs import make_run

from crl.experiments.report.write import write_report


def test_every_study_has_its_table_and_figure(report: Path) -> None:
    figures = {path.stem for path in (report / "figures").iterdir()}
    assert figures == {
        f"{n}-glyphs"
        for n in ("fig2a", "fig2c", "table2", "collisions", "budget-negatives", "bounds")
    } | {"claims"}
    tables = {path.stem for path in (report / "tables").glob("*.csv")}
    wanted = {
        f"{n}-glyphs"
        for n in ("table1", "table2", "labels", "fig2a", "collisions", "budget", "other")
    }
    assert tables == wanted | {
        "claims",
        "commands",
        "theory",
        "bounds",
        "sweep-1-test-glyphs",
    }


def test_figures_have_a_title_real_text_and_colours_of_their_own(report: Path) -> None:
    for path in (report / "figures").iterdir():
        text = path.read_text()
        assert "<title" in text and "<desc" in text and "<text" in text
        assert "var(" not in text and "currentColor" not in text and "<dc:date>" not in text
    assert "var(--figure-1, #0072b2)" in (report / "index.html").read_text()


def test_the_same_runs_give_the_same_bytes(outputs: Path, report: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\n")
    code = """
import pathlib, sys
from crl.experiments.report.write import write_report
write_report([pathlib.Path(sys.argv[1])], pathlib.Path("out"))
"""
    subprocess.run([sys.executable, "-c", code, str(outputs)], check=True, cwd=tmp_path)
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (report, tmp_path / "out")
    )
    assert first == second


def test_what_a_new_report_no_longer_has_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_run(tmp_path / "a", "glyphs-a-00000001", 0, 0.9)
    make_run(tmp_path / "b", "docstrings-b-00000001", 0, 0.9, dataset__name="docstrings")
    write_report([tmp_path / "a"], out)
    (out / "tables" / "mine.csv").write_text("of the user")
    assert (out / "tables" / "other-glyphs.csv").exists()
    write_report([tmp_path / "b"], out)
    assert not (out / "tables" / "other-glyphs.csv").exists()
    assert (out / "tables" / "other-docstrings.csv").exists() and (
        out / "tables" / "mine.csv"
    ).exists()
