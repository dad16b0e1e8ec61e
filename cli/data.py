"""``crl data``: build data sets from published sources."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from crl.cli.arguments import count, parse, path
from crl.cli.console import aligned, say
from crl.experiments.errors import ConfigError

USAGE = """crl data build-wiki DUMP OUT [OPTION=VALUE ...]

Builds a data set in the format of Wiki-3029 from any Wikipedia dump: OUT/<Title>.txt, one sentence
a line, for every article that passes the paper's rule. Reads the dump (pages-articles .xml.bz2,
.xml.gz or .xml) as a stream. After a crash or an interruption the same command continues. Prints
how many pages each filter dropped, and stores the counts in OUT/report.json.
Needs a parser for wikitext: pip install mwparserfromhell

  titles=FILE            only articles whose title is in this file, one title a line; upper and
                         lower case are the same (paper: the nouns of WordNet)
  min_sections=8         an article needs this many top-level sections (the lead counts as one),
  section_sentences=12   each with at least this many distinct sentences
  min_words=4            words (between spaces) that a sentence needs to count and to be drawn
  sentences=200          sentences drawn from the article's sections; an article with fewer is
                         dropped
  seed=0                 seed of the draw
  max_page_bytes=2097152
                         a page with more wikitext is dropped unread (2 MiB is Wikipedia's limit)

Examples
  crl data build-wiki simplewiki-latest-pages-articles.xml.bz2 wiki min_sections=3 sentences=50
  crl data build-wiki enwiki-latest-pages-articles.xml.bz2 wiki titles=wordnet.txt
  crl train dataset=wiki3029 dataset.root=wiki
"""


def run(arguments: list[str]) -> None:
    """Build the data set that the arguments describe and print the counts."""
    verb, *rest = arguments or [""]
    if verb != "build-wiki":
        raise ConfigError(
            f"crl data {verb or 'alone'}: no such thing; choose build-wiki (crl data --help)"
        )

    from crl.data.wikipedia.articles import Rule, read_titles
    from crl.data.wikipedia.build import build_wiki

    titles = path("titles", None)
    counts = [count(f.name, f.default) for f in fields(Rule) if f.name != titles.name]
    parsed = parse("data", [argument for argument in rest if argument], [*counts, titles])
    if len(parsed.folders) != 2:
        alone = f"; {parsed.folders[0]} is alone" if len(parsed.folders) == 1 else ""
        raise ConfigError(
            f"crl data build-wiki needs a dump and a folder{alone}: "
            "crl data build-wiki DUMP OUT [OPTION=VALUE ...]"
        )
    dump, out = parsed.folders
    options: dict[str, Any] = {option.name: parsed[option] for option in counts}
    if file := parsed[titles]:
        options["titles"] = read_titles(file)
    print(_shown(build_wiki(dump, out, Rule(**options), say), out))


def _shown(report: dict[str, Any], out: Path) -> str:
    """Return the counts as a table, and the command that uses the data set."""
    counts = {
        "pages read": report["pages"],
        **report["dropped"],
        f"articles of {report['rule']['sentences']} sentences": report["articles"],
    }
    table = aligned([(f"{name:<30}", f"{n:>12,}") for name, n in counts.items()], left=(0,))
    advice = (
        f"crl train dataset=wiki3029 dataset.root={out}"
        if report["articles"] >= 2
        else "fewer than 2 articles: choose smaller numbers"
    )
    return f"{table}\n\n{advice}"
