"""The rule: which pages become articles, and which of their sentences are drawn."""

import json
import unicodedata

import pytest
from wiki_dumps import ONE_OF_EACH, PAGES, SMALL, build, dump, page, prose

from crl.data.errors import DataError
from crl.data.wikipedia.articles import REASONS, Rule, read_titles


def test_what_each_filter_drops_adds_up_to_the_pages(tmp_path):
    titles = tmp_path / "titles"
    titles.write_text(
        "tea\nac/dc\nAIDS\nmercury\nlong\nsame\nshort\nempty\ncode\nlist_of_teas\nORE_(disambiguation)\n"
    )
    rule = Rule(**{**vars(SMALL), "titles": read_titles(titles)})
    report = build(dump(tmp_path / "d.xml.bz2", PAGES), tmp_path / "out", rule)
    twice = {"redirect", "disambiguation", "too few sections"}
    assert report["dropped"] == {reason: 2 if reason in twice else 1 for reason in REASONS}
    assert report["articles"] == 4 and report["sentences"] == 80 and report["pages"] == 18
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert sum(report["dropped"].values()) + report["articles"] == report["pages"]
    assert ONE_OF_EACH.keys() == set(REASONS)


def test_an_article_is_drawn_from_long_sections_by_seed_and_title(tmp_path):
    text = (
        prose("tea", sections=3, sentences=8)
        + "\n== Short ==\nA sentence of a short section is not drawn.\n"
    )
    source = dump(tmp_path / "d.xml", [page("Tea", text), page("Sea", text)])
    drawn = {}
    for seed in (0, 1):
        build(source, tmp_path / str(seed), Rule(**{**vars(SMALL), "seed": seed}))
        for name in ("Tea", "Sea"):
            drawn[seed, name] = (tmp_path / str(seed) / f"{name}.txt").read_text().splitlines()
    possible = {f"The tea number {s} {i} is worth a note." for s in range(3) for i in range(8)}
    for lines in drawn.values():
        assert len(set(lines)) == 20 and set(lines) < possible and lines != sorted(lines)
    assert len({tuple(lines) for lines in drawn.values()}) == 4
    build(dump(tmp_path / "e.xml", [page("Other", text), page("Tea", text)]), tmp_path / "other")
    assert (tmp_path / "other" / "Tea.txt").read_text().splitlines() == drawn[0, "Tea"]


def test_the_numbers_of_the_rule_are_limits(tmp_path):
    source = dump(tmp_path / "d.xml", [page("Tea", prose("tea", 3, 7))])  # 21 sentences of 8 words
    for number, (name, most) in enumerate(
        {"min_sections": 3, "section_sentences": 7, "min_words": 9, "sentences": 21}.items()
    ):
        for value, count in ((most, 1), (most + 1, 0)):
            rule = Rule(**{**vars(SMALL), name: value})
            assert build(source, tmp_path / f"{number}-{value}", rule)["articles"] == count, (
                name,
                value,
            )
    with pytest.raises(DataError, match="sentences: 9 is too small; choose at least 10"):
        Rule(sentences=9)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1250"])
def test_a_list_of_titles_in_any_encoding(tmp_path, encoding):
    titles = ["Žluťoučký_kůň", "Úpěl ďábelské ódy", "Příliš"]
    (tmp_path / "titles").write_text("\n".join(titles), encoding=encoding)
    expected = {"žluťoučký kůň", "úpěl ďábelské ódy", "příliš"}
    assert read_titles(tmp_path / "titles") == expected
    (tmp_path / "titles").write_text(unicodedata.normalize("NFD", "\n".join(titles)))
    assert read_titles(tmp_path / "titles") == expected
