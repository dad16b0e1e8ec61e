"""``crl data``: data made from what others publish."""

from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.console import say
from experiments.errors import ConfigError

if TYPE_CHECKING:
    from data.wikipedia.articles import Rule

USAGE = """crl data build-wiki DUMP OUT [OPTION=VALUE ...]

Makes data in the format of Wiki-3029 from any Wikipedia dump: OUT/<Title>.txt for every article that passes the paper's
rule, one sentence a line. The dump (pages-articles .xml.bz2, .xml.gz or .xml) is read as a stream. After a crash or an
interrupt the same command goes on. Prints how many pages each filter dropped and keeps it in OUT/report.json.
Needs a parser of wikitext: pip install mwparserfromhell

  titles=FILE            only articles whose title is in this file, one a line; case does not count (paper: WordNet's nouns)
  min_sections=8         sections of the top level, the lead being one, with so many sentences:
  section_sentences=12   distinct sentences that such a section has at least
  min_words=4            words of a sentence, between spaces; shorter ones do not count and are never drawn
  sentences=200          drawn from an article's sections; articles with fewer are dropped
  seed=0                 of the draw
  max_page_bytes=2097152 a page with more wikitext is dropped without a look at it (2 MiB: Wikipedia's own limit)

Examples
  crl data build-wiki simplewiki-latest-pages-articles.xml.bz2 wiki min_sections=3 section_sentences=5 sentences=50
  crl data build-wiki enwiki-latest-pages-articles.xml.bz2 wiki titles=wordnet.txt
  crl train dataset=wiki3029 dataset.root=wiki
"""


def run(arguments: list[str]) -> None:
    """Build the data that the arguments ask for and print the report."""
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if verb != "build-wiki":
        raise ConfigError(
            f"crl data {verb or 'alone'}: no such thing; choose build-wiki (crl data --help)"
        )
    if len(rest) < 2:
        raise ConfigError(
            "crl data build-wiki needs a dump and a folder: crl data build-wiki DUMP OUT [OPTION=VALUE ...]"
        )

    from data.wikipedia.build import build_wiki
    from experiments.config.paths import expanded

    dump, out = (expanded(argument) for argument in rest[:2])
    print(_lines(build_wiki(dump, out, _rule(rest[2:]), say), out))


def help_text() -> str:
    """What can be typed behind ``crl data``."""
    return USAGE


def _rule(arguments: list[str]) -> "Rule":
    from data.wikipedia.articles import Rule, read_titles
    from experiments.config.paths import expanded

    names = [spec.name for spec in fields(Rule)]
    given: dict[str, Any] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name not in names:
            near = get_close_matches(name, names, 1, 0.5)
            hint = f"did you mean {near[0]}=?" if near else "see crl data --help"
            raise ConfigError(f"{argument}: no such option of crl data build-wiki; {hint}")
        if name != "titles" and not value.isdecimal():
            raise ConfigError(f"{name}: {value!r} is not a whole number")
        given[name] = read_titles(expanded(value)) if name == "titles" else int(value)
    return Rule(**given)


def _lines(report: dict[str, Any], out: Path) -> str:
    """The report as a table, and what to do with the data."""
    kept = f"articles of {report['rule']['sentences']} sentences"
    rows = [("pages read", report["pages"]), *report["dropped"].items(), (kept, report["articles"])]
    table = "\n".join(f"{name:<30}{count:>14,}" for name, count in rows)
    enough = report["articles"] >= 2
    advice = (
        f"crl train dataset=wiki3029 dataset.root={out}"
        if enough
        else "fewer than 2 articles: choose smaller numbers"
    )
    return f"{table}\n\n{advice}"
