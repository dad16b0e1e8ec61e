"""The page is one whole file, and every number on it names its runs."""

import csv
import re
from pathlib import Path

from html_page import Page
from made_up_runs import NASTY, make_run

from crl.experiments.report.load_runs import load_report_data
from crl.experiments.report.page import compose_report
from crl.experiments.report.table_formats import Measure
from crl.experiments.report.write import write_report


def test_the_page_is_whole_and_refers_to_itself_only(page: Page, report: Path) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert page.references
    assert all(
        reference.startswith("#") and reference[1:] in page.ids for reference in page.references
    )
    assert not page.tags & {"script", "link", "img", "iframe", "object"}
    style = re.search(r"<style>(.*?)</style>", (report / "index.html").read_text(), re.DOTALL)
    assert style and "url(" not in style[1] and "@import" not in style[1]


def test_every_number_names_runs_that_the_protocol_lists(outputs: Path, page: Page) -> None:
    report = compose_report(load_report_data([outputs]))
    for table in report.tables:
        for row in table.rows:
            assert row.sources or not any(isinstance(cell, Measure) for cell in row.cells)
            assert set(row.sources) <= set(report.data.configurations)
    assert "runs/glyphs-methodsupervised-0a0a0a0a/seed1" in page.text
    assert "crl train seed=1" in page.text
    assert "0123456789 with uncommitted changes" in page.text


def test_names_are_escaped(page: Page, report: Path) -> None:
    assert f"glyphs-{NASTY}-0badf00d" in page.text
    assert "<i>%" not in (report / "index.html").read_text()


def test_the_page_opens_with_the_picture_of_all_claims(report: Path) -> None:
    """Then come tables and figures, the claims' details, theory and protocol."""
    text = (report / "index.html").read_text(encoding="utf-8")
    parts = (
        "Measured on glyphs (90 training images of characters, 100 classes; small CNN). 41 runs",
        "The paper&#39;s 15 claims: ",
        "No run has the paper&#39;s setting",
        'class="forest"',
        "Not tested here, so not in the picture",
        'id="table-table1-glyphs"',
        'id="fig2a-glyphs-title"',
        "it has a table and no verdict",
        'id="claim-1"',
        'id="theory"',
        'id="protocol"',
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert text.count('<details class="claim" id=') == 15
    assert text.index("<svg") == text.index("<svg", text.index('class="forest"'))


def test_runs_that_differ_in_steps_alone_have_labels_of_their_own(tmp_path: Path) -> None:
    for number, steps in enumerate((60, 600)):
        make_run(tmp_path, f"glyphs-c-0000000{number}", 0, 0.9, training__steps=steps)
    out = tmp_path / "out"
    write_report([tmp_path], out)
    rows = list(csv.DictReader((out / "tables" / "commands.csv").open(encoding="utf-8")))
    assert len({row["configuration"] for row in rows}) == len(rows) == 2
    assert ["training.steps=600" in row["command"] for row in rows] == [False, False]  # the default
    assert ["training.steps=60 " in row["command"] for row in rows] == [True, False]
