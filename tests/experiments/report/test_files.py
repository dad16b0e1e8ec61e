"""The files of a report: numbers that agree with the runs and with each other, safe names, the same
bytes every time."""

import csv
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_up_runs import make_cell, make_run, make_study

from data.files.atomic import read_checked_json, write_checked_json
from experiments.report.load_runs import collect
from experiments.report.page import compose_report
from experiments.report.paper_numbers import TABLE_1
from experiments.report.table_formats import Measure, Row, Table, csv_text, latex, markdown
from experiments.report.write import write_report
from experiments.statistics import summarise
from experiments.storage.manifest import Cell
from experiments.storage.results import read_run

NASTY = "a&b_<i>%{}|`$~^\\"


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


class Page(HTMLParser):
    """Checks that tags nest, and keeps ids, references and text."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self._attributes(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._attributes(attrs)

    def _attributes(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src", "xlink:href", "data", "srcset", "action"):
                self.references.append(value or "")
            elif name in ("clip-path", "style"):
                self.references += re.findall(r"url\(([^)]*)\)", value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    parsed = Page()
    parsed.feed((report / "index.html").read_text())
    parsed.close()
    return parsed


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


def test_every_study_has_its_table_and_figure(report: Path) -> None:
    figures = {path.stem for path in (report / "figures").iterdir()}
    assert figures == {
        f"{n}-glyphs"
        for n in ("fig2a", "fig2c", "table2", "collisions", "budget-negatives", "bounds")
    }
    tables = {path.stem for path in (report / "tables").glob("*.csv")}
    wanted = {
        f"{n}-glyphs"
        for n in ("table1", "table2", "labels", "fig2a", "collisions", "budget", "other")
    }
    assert tables == wanted | {"claims", "theory", "bounds", "sweep-1-test-glyphs"}


def test_names_are_escaped(page: Page, report: Path) -> None:
    assert f"glyphs-{NASTY}-0badf00d" in page.text
    assert "<i>%" not in (report / "index.html").read_text()
    table = Table("t", NASTY, "", (NASTY,), (Row((NASTY,)),))
    assert (
        r"a\&b\_\textless{}i\textgreater{}\%\{\}\textbar{}`\$\textasciitilde{}\textasciicircum{}\textbackslash{} \\"
        in latex(table)
    )
    assert markdown(table).splitlines()[-1].count(" | ") == 1
    assert next(iter(csv.DictReader(io.StringIO(csv_text(table)))))[NASTY] == NASTY


def test_table_1_holds_the_means_over_seeds(outputs: Path, report: Path) -> None:
    runs = [
        read_run(outputs / "runs" / "glyphs-methodunsupervised-0a0a0a0a" / f"seed{seed}")
        for seed in (0, 1)
    ]
    rows = list(csv.DictReader((report / "tables" / "table1-glyphs.csv").open()))
    ours = {row["metric"]: row for row in rows if row["whose"] == "ours"}
    assert set(ours) == {"AVG-2", "AVG-5", "TOP-1"}
    for column, classifier in (("unsup TR", "linear"), ("unsup μ", "mean"), ("unsup μ-5", "mean5")):
        wanted = summarise([100 * run.metrics[f"test.{classifier}.avg2"] for run in runs if run])
        found = tuple(float(ours["AVG-2"][f"{column} {part}"]) for part in ("mean", "std", "n"))
        assert found == wanted


def test_the_papers_figures_are_marked_as_of_another_setting(report: Path) -> None:
    rows = list(csv.DictReader((report / "tables" / "table1-glyphs.csv").open()))
    theirs = next(row for row in rows if row["metric"] == "AVG-2" and row["whose"] != "ours")
    assert theirs["whose"] == "paper, other setting (CIFAR-100, VGG-16)"
    assert float(theirs["sup μ mean"]) == TABLE_1["cifar100", "supervised"]["avg2"][1]
    assert theirs["sup μ n"] == theirs["runs"] == ""


def test_the_papers_figures_stand_beside_runs_in_its_setting(tmp_path: Path) -> None:
    for seed in (0, 1):
        make_run(
            tmp_path,
            "cifar100-u-00000001",
            seed,
            0.9,
            dataset__name="cifar100",
            encoder__name="vgg16",
        )
    write_report([tmp_path], tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "tables" / "table1-cifar100.csv").open()))
    assert {row["whose"] for row in rows} == {"ours", "paper"}
    assert [row["unsup TR mean"] for row in rows if row["whose"] == "paper"] == [
        "93.2",
        "80.9",
        "36.9",
    ]
    assert [row["unsup μ mean"] for row in rows if row["whose"] == "paper"] == [
        "92.0",
        "79.4",
        "31.8",
    ]


def test_markdown_latex_and_csv_agree(outputs: Path) -> None:
    for table in compose_report(collect([outputs])).tables:
        lines = [line for line in markdown(table).splitlines() if line.startswith("|")][2:]
        tex = latex(table).split("\\midrule\n")[1].split("\\bottomrule")[0].strip().splitlines()
        rows = list(csv.DictReader(io.StringIO(csv_text(table))))
        assert len(lines) == len(tex) == len(rows) == len(table.rows)
        for row, line, in_tex, in_csv in zip(table.rows, lines, tex, rows, strict=True):
            assert in_csv["runs"] == " ".join(row.sources)
            for column, cell in zip(table.columns, row.cells, strict=True):
                if isinstance(cell, Measure):
                    mean = f"{float(in_csv[f'{column} mean']):.{cell.digits}f}"
                    assert str(cell).startswith(mean) and str(cell).endswith(
                        f"({in_csv[f'{column} n']})"
                    )
                    assert (
                        str(cell) in line
                        and str(cell).replace("±", r"$\pm$").replace("−", "$-$") in in_tex
                    )


def test_every_number_names_runs_that_the_protocol_lists(outputs: Path, page: Page) -> None:
    report = compose_report(collect([outputs]))
    for table in report.tables:
        for row in table.rows:
            assert row.sources or not any(isinstance(cell, Measure) for cell in row.cells)
            assert set(row.sources) <= set(report.material.configurations)
    assert "runs/glyphs-methodsupervised-0a0a0a0a/seed1" in page.text
    assert "crl train seed=1" in page.text
    assert "0123456789 with uncommitted changes" in page.text


def test_the_same_runs_give_the_same_bytes(outputs: Path, report: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\n")
    code = "import sys, pathlib, experiments.report as r; r.write_report([pathlib.Path(sys.argv[1])], pathlib.Path('out'))"
    subprocess.run([sys.executable, "-c", code, str(outputs)], check=True, cwd=tmp_path)
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (report, tmp_path / "out")
    )
    assert first == second


def test_figures_have_a_title_real_text_and_colours_of_their_own(report: Path) -> None:
    for path in (report / "figures").iterdir():
        text = path.read_text()
        assert "<title" in text and "<desc" in text and "<text" in text
        assert "var(" not in text and "currentColor" not in text and "<dc:date>" not in text
    assert "var(--figure-1, #0072b2)" in (report / "index.html").read_text()


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


def test_a_run_that_lies_there_twice_counts_once(tmp_path: Path) -> None:
    for place in ("a", "b"):
        make_run(tmp_path / place, "glyphs-a-00000001", 0, 0.9)
    summary = write_report([tmp_path], tmp_path / "out")
    assert summary.setup.startswith("1 run of 1 configuration;")
    assert "counted once" in summary.missing[0]


def test_seeds_made_on_different_data_are_named(tmp_path: Path) -> None:
    """The built-in data follow from the installed packages."""
    for seed in range(2):
        path = make_run(tmp_path, "glyphs-a-00000001", seed, 0.9) / "result.json"
        result = read_checked_json(path)
        result["dataset"]["fingerprint"] = f"data-of-{seed}"
        write_checked_json(path, result)
    (note,) = write_report([tmp_path], tmp_path / "out").missing
    assert note.startswith("glyphs-a-00000001: its seeds saw different data")
    for name in ("index.html", "report.md"):
        text = (tmp_path / "out" / name).read_text()
        assert "data-of-0" in text and "data-of-1" in text


def test_other_runs_are_told_apart_by_the_options_that_differ(tmp_path: Path) -> None:
    make_run(tmp_path, "glyphs-a-00000001", 0, 0.9)
    make_run(
        tmp_path,
        "glyphs-a-00000002",
        0,
        0.8,
        optimizer__lr=0.1,
        training__checkpoint_seconds=1.0,
        runtime__device="cpu",
    )
    write_report([tmp_path], tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "tables" / "other-glyphs.csv").open()))
    assert [row["optimizer.lr"] for row in rows] == ["0.001", "0.1"]
    assert not {"training.checkpoint_seconds", "runtime.device"} & set(rows[0])
