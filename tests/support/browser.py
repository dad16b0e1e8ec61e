"""Look at a page in headless Chromium: what does not load, what is wider than the window."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
WITHOUT = "there is no Chromium (Debian: apt-get install chromium)"

# It goes before everything else in a page: errors of images, styles, scripts and the console.
_LISTEN = """<script>
var seen = [];
addEventListener("error", e => seen.push(e.message || e.target.outerHTML.slice(0, 200)), true);
console.error = (...words) => seen.push(words.join(" "));
</script>"""

# A window of Chromium has a least width, so a frame is the window that the page sees. Its page is
# measured as it opens and with all that is folded unfolded.
_LOOK = """<script>
const look = (page, width) => ({
  scroll_width: page.documentElement.scrollWidth,
  wide: [...page.querySelectorAll("body *")]
    .filter(e => e.checkVisibility() && !e.closest(".scroll"))
    .filter(e => e.getBoundingClientRect().right > width + 1)
    .map(e => e.outerHTML.slice(0, 120)),
  images: [...page.images].map(image => image.naturalWidth),
  drawings: [...page.querySelectorAll("figure")].map(figure =>
    [...figure.querySelectorAll("svg")].filter(e => e.getBoundingClientRect().width > 0).length),
});
addEventListener("load", () => {
  const result = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, width = frame.clientWidth;
    const closed = look(page, width);
    page.querySelectorAll("details").forEach(e => { e.open = true; });
    result[width] = {errors: frame.contentWindow.seen, closed, open: look(page, width)};
  }
  const text = document.createElement("pre");
  text.id = "result";
  text.textContent = JSON.stringify(result);
  document.body.replaceChildren(text);
});
</script>"""


def looked_at(page: str, widths: tuple[int, ...], folder: Path) -> dict[str, Any]:
    """Return what Chromium sees of a page at each width in pixels.

    Width -> ``errors``, and for the page ``closed`` (as it opens) and ``open``: ``scroll_width`` in
    pixels, ``wide``: what reaches beyond the window outside of a box that scrolls, ``images``:
    their natural widths, ``drawings``: how many SVGs each figure shows.
    """
    assert CHROMIUM is not None
    source = html.escape(page.replace("<head>", f"<head>{_LISTEN}", 1))
    frames = (
        f'<iframe style="width:{width}px; height:800px; border:0" srcdoc="{source}"></iframe>'
        for width in widths
    )
    wrapper = folder / "wrapper.html"
    wrapper.write_text(f'<!doctype html><meta charset="utf-8">{_LOOK}{"".join(frames)}')
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
    dumped = subprocess.run(
        [CHROMIUM, *options, f"--user-data-dir={folder / 'profile'}", "--no-first-run",
         "--window-size=1400,900", "--virtual-time-budget=10000", "--dump-dom", wrapper.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    found = re.search(r'<pre id="result">(.*?)</pre>', dumped, re.DOTALL)
    assert found, dumped[:2000]
    return json.loads(html.unescape(found[1]))
