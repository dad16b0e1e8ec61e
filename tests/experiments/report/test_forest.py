"""The picture of all claims shows what the verdicts rest on, and says what it leaves out."""

import re
from pathlib import Path

from made_up_runs import make_cell, make_study

from crl.experiments.report.claims import judge_claims, untested
from crl.experiments.report.forest import Forest, forest
from crl.experiments.report.load_runs import load_report_data
from crl.experiments.report.verdicts import NOT_TESTABLE

LOW, SAME, HIGH = (0.80, 0.81, 0.82), (0.86, 0.87, 0.88), (0.90, 0.91, 0.92)


def drawn(root: Path) -> Forest:
    picture = forest(judge_claims(load_report_data([root]).datasets))
    assert picture is not None
    return picture


def texts(svg: str) -> list[str]:
    """Return the texts of an SVG in order."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def marks(svg: str, colour: int) -> int:
    """Return how many lines and marks have a colour of the page."""
    return len(re.findall(rf"stroke: var\(--figure-{colour},", svg))


def table_2(root: Path, curl: tuple[float, ...], quick: tuple[float, ...] = LOW) -> None:
    cells = [
        make_cell(root, {"method": method, "block_size": b}, accuracies)
        for method, accuracies in (("CURL", curl), ("QT", quick))
        for b in (2, 5)
    ]
    make_study(root, "table2", *cells)


def test_a_claim_is_drawn_with_its_numbers_and_its_parts(tmp_path: Path) -> None:
    table_2(tmp_path, SAME)
    picture = drawn(tmp_path)
    for svg in (picture.wide.svg, picture.narrow.svg):
        shown = texts(svg)
        start = shown.index("5  CURL beats Quick Thoughts")
        assert shown[start + 1] == "glyphs" and {"b = 2", "b = 5"} <= set(shown[start : start + 7])
    assert texts(picture.wide.svg).count("+6.00 [+6.00, +6.00]") == 2
    told = "CURL − QT at b = {}, AVG-2 of μ: +6.00 [+6.00, +6.00] points (3 seeds)"
    assert f"{told.format(2)}; {told.format(5)}: confirmed" in picture.wide.description


def test_verdicts_differ_in_colour_and_shape(tmp_path: Path) -> None:
    table_2(tmp_path / "up", HIGH, SAME)
    table_2(tmp_path / "down", SAME, HIGH)
    up, down = (drawn(tmp_path / place).narrow.svg for place in ("up", "down"))
    assert marks(up, 3) > marks(down, 3) and marks(down, 2) > marks(up, 2)
    assert {"confirmed", "not confirmed"} <= set(texts(up))


def test_what_is_not_testable_is_named_and_not_drawn(tmp_path: Path) -> None:
    table_2(tmp_path, HIGH[:1])
    judged = judge_claims(load_report_data([tmp_path]).datasets)
    (finding,) = next(findings for claim, findings in judged if claim.number == "5").values()
    assert finding.verdict == NOT_TESTABLE
    assert "5 CURL beats Quick Thoughts, on glyphs: one seed only: no interval" in untested(judged)
    assert not [text for text in texts(drawn(tmp_path).wide.svg) if text.startswith("5  ")]


def test_large_effects_have_an_axis_of_their_own(tmp_path: Path) -> None:
    table_2(tmp_path, SAME)
    small = "Difference of accuracy, points"
    assert [text for text in texts(drawn(tmp_path).wide.svg) if text.startswith(small)] == [small]
    table_2(tmp_path / "large", SAME, (0.5, 0.51, 0.52))
    titles = [t for t in texts(drawn(tmp_path / "large").wide.svg) if t.startswith(small)]
    assert titles == [small, f"{small} (large effects)"]


def test_long_names_of_data_sets_have_a_line_of_their_own(tmp_path: Path) -> None:
    for root in ("a folder with a long name", "another folder with a long name"):
        cells = [
            make_cell(
                tmp_path / root, {"method": "unsupervised"}, SAME, f"image_folder-{root}",
                dataset__name="image_folder", dataset__root=root,
            )
        ]  # fmt: skip
        make_study(tmp_path / root, "table1", *cells, dataset="image_folder")
    shown = texts(drawn(tmp_path).narrow.svg)
    assert "image_folder (a folder with a long name)" in shown
    assert "image_folder (another folder with a long name)" in shown


def test_without_a_tested_claim_there_is_no_picture() -> None:
    assert forest(judge_claims([])) is None
