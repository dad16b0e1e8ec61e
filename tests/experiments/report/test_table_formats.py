"""Markdown, LaTeX and CSV of a table agree, and names are escaped."""

import csv
import io
from pathlib import Path

from made_up_runs import NASTY

from crl.experiments.report.load_runs import load_report_data
from crl.experiments.report.page import compose_report
from crl.experiments.report.table_formats import Measure, Row, Table, csv_text, latex, markdown


def test_names_are_escaped() -> None:
    table = Table("t", NASTY, "", (NASTY,), (Row((NASTY,)),))
    in_latex = (
        r"a\&b\_\textless{}i\textgreater{}\%\{\}\textbar{}`\$\textasciitilde{}"
        r"\textasciicircum{}\textbackslash{} \\"
    )
    assert in_latex in latex(table)
    assert markdown(table).splitlines()[-1].count(" | ") == 1
    assert next(iter(csv.DictReader(io.StringIO(csv_text(table)))))[NASTY] == NASTY


def test_markdown_latex_and_csv_agree(outputs: Path) -> None:
    for table in compose_report(load_report_data([outputs])).tables:
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
