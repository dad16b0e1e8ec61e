"""The house stays small and its links lead somewhere: README, docs and the folders of the code."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *DOCS, ROOT / "results" / "README.md"]
PRODUCT = ["cli", "configs", "crl", "data", "experiments"]

# The files of the product that have more than 300 lines, each with the reason.
LONG_FILES: dict[str, str] = {}

CODE = re.compile(r"(?m)^ {4}.*$|`[^`]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:benchmarks|cli|configs|crl|data|experiments|tests)/[\w/-]+\.\w+)`")
HEADING = re.compile(r"(?m)^#+ (.+)$")


def words(*pages: Path) -> int:
    """The number of words as ``wc -w`` counts them: tables and code are included."""
    return sum(len(page.read_text(encoding="utf-8").split()) for page in pages)


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The relative links of a page: the target file and the anchor ("" for none)."""
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if "://" not in link:
            target, _, anchor = link.partition("#")
            yield (page.parent / target).resolve() if target else page, anchor


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short():
    readme = ROOT / "README.md"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 130
    assert words(readme) <= 1000


def test_the_docs_are_short():
    assert words(*DOCS) <= 7914


def test_experiments_has_few_entries():
    entries = {path.name for path in (ROOT / "experiments").iterdir()} - {"__pycache__"}
    assert len(entries) <= 18, sorted(entries)


def test_no_file_of_the_product_is_long_without_a_reason():
    files = [file for folder in PRODUCT for file in (ROOT / folder).rglob("*.py")]
    sizes = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for file in files
    }
    too_long = {name for name, lines in sizes.items() if lines > 300}
    assert too_long == set(LONG_FILES), "split the file, or give or drop its reason"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_exists(page):
    for name in FILE.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists() or Path(name).stem == "mine", name


def test_every_document_is_linked():
    linked = {target for page in PAGES for target, _ in links(page) if target != page}
    assert set(DOCS) <= linked


def test_the_code_names_only_documents_that_exist():
    files = [ROOT / "pyproject.toml", *(ROOT / "benchmarks").glob("*.py")]
    for folder in PRODUCT:
        files += [file for kind in ("*.py", "*.yaml") for file in (ROOT / folder).rglob(kind)]
    for file in files:
        for name in re.findall(r"docs/[\w-]+\.md", file.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{file.relative_to(ROOT)} names {name}"
