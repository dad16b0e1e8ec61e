"""The page in a real browser: all of it is shown, without errors, at phone and desktop width."""

from pathlib import Path

import pytest
from browser import CHROMIUM, WITHOUT, looked_at

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)
WIDTHS = (390, 1280)


def test_the_page_is_shown_whole_and_nothing_is_wider_than_the_window(
    report: Path, tmp_path: Path
) -> None:
    page = (report / "index.html").read_text(encoding="utf-8")
    seen = looked_at(page, WIDTHS, tmp_path)
    for width in WIDTHS:
        at_width = seen[str(width)]
        assert at_width["errors"] == []
        for state in ("closed", "open"):
            assert at_width[state]["wide"] == []
            assert at_width[state]["scroll_width"] <= width
            assert all(at_width[state]["images"])
            drawings = at_width[state]["drawings"]
            assert len(drawings) == len([*(report / "figures").iterdir()])
            assert set(drawings) == {1}  # the picture of all claims is there twice, shown once


def test_the_look_finds_what_is_wrong(tmp_path: Path) -> None:
    page = """<!doctype html><html><head><title>a page</title></head><body>
    <img src="nowhere.png" alt="gone"><figure></figure>
    <script>console.error("a fault of the page")</script>
    <details><summary>more</summary><p style="width: 600px">wide</p></details>
    </body></html>"""
    seen = looked_at(page, (390,), tmp_path)["390"]
    assert "a fault of the page" in seen["errors"] and len(seen["errors"]) == 2
    assert seen["closed"]["images"] == [0] and seen["closed"]["drawings"] == [0]
    assert not seen["closed"]["wide"] and seen["open"]["wide"]
    assert seen["open"]["scroll_width"] > 390
