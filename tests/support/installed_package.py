"""Packages with choices of their own: the one that docs/extending.md builds, and made-up ones."""

import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "extending.md"
OPTIONS = """
from dataclasses import dataclass
from crl.extending import *
from crl.extending import Choice, option
"""


def documented(place: Path) -> Path:
    """Write the package of docs/extending.md; return its folder.

    A file is the indented block behind the paragraph that begins with its name.
    """
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in ("pyproject.toml", "crl_digits/__init__.py", "crl_digits/parts.py"):
        found = re.search(rf"`{re.escape(name)}`[^:]*:\n\n((?: {{4}}.*\n|\n)+)", text)
        assert found, name
        path = place / "crl-digits" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(found[1]).strip() + "\n")
    return place / "crl-digits"


def offer(
    site: Path,
    patch: pytest.MonkeyPatch,
    package: str,
    points: Mapping[str, str],
    source: str = "",
) -> Path:
    """Install a package of one module: put it on sys.path, with its metadata.

    ``points``: entry points as ``{"datasets.rings": "RINGS"}``. ``source``: the module. It is named
    ``package``; no two tests may use one name.
    """
    about = site / f"{package}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = []
    for point, value in points.items():
        group, _, name = point.partition(".")
        lines.append(f"[crl.{group}]\n{name} = {package}:{value}\n")
    (about / "entry_points.txt").write_text("\n".join(lines))
    (site / f"{package}.py").write_text(OPTIONS + dedent(source))
    patch.syspath_prepend(site)
    return about
