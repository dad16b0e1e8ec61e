"""The page is one whole file, and every number on it names its runs."""

import re
from pathlib import Path

from html_page import Page
from made_up_runs import NASTY

from crl.experiments.report.load_runs import load_report_data
from crl.experiments.report.page import compose_report
from crl.experiments.report.table_formats import Measure


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
