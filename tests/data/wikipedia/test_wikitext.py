"""Sections, running text and sentences of wikitext."""

import time

import pytest

from crl.data.wikipedia.articles import hidden_namespaces
from crl.data.wikipedia.wikitext import (
    is_disambiguation,
    plain_text,
    prose_sentences,
    split_sections,
)

HIDDEN = hidden_namespaces({6: "Datei", 14: "Kategorie"})
WIKITEXT = """{{Infobox city|name=X|area={{convert|5|km2|sqmi|{{abbr|x|y}}}}|\
text=Not a sentence of the article at all.}}
[[File:Map.png|thumb|A map of [[X]] in 1900. It is not running text.|alt=Map]]
[[Datei:Karte.png|mini|Auch das hier ist kein Text.]]
'''X''' ({{IPA|x}}; ) is a ''town''&nbsp;of [[Y (county)|Y]] \
and [[Z]]s.<ref name="a">A note. It is not shown.</ref>
It lies about {{convert|5|to|10|km|mi}} from {{lang|fr|la mer}}{{snd}}see <!-- not a heading:
== Nothing ==
--> [http://example.org its site] &amp; more!
{| class="wikitable"
! head of the table || and another one
|-
| A cell of the table is no sentence. || {{nested|{{deeper|a}}}}
{| class="nested"
| Nor is a table within a table, of course.
|}
|}
* An item of a list is no running text.
** Nor is [[one]] below it, in the same list.
: An indented line is not either, one may say.

A formula <math>x = 1. Y</math> is no word. Neither is {{chem|H|2|O}} one, they say. \
{{IPA|x}}, this begins in a template.
The next paragraph has <nowiki>[[no link]]</nowiki> but broken {{markup in this sentence.
<blockquote>He said: "This is a quotation."</blockquote>
Too short. A last one without an end
[[Category:Towns of the world]]
"""


def test_running_text_is_what_is_left_of_wikitext():
    assert prose_sentences(WIKITEXT, 4, HIDDEN) == [
        "X is a town of Y and Zs.",
        "It lies about 5 to 10 km from la mer – see its site & more!",
        'He said: "This is a quotation."',
    ]
    assert "Too short." in prose_sentences(WIKITEXT, 2, HIDDEN)


def test_sections_are_those_of_the_top_level():
    text = (
        "lead\n== One ==\na\n=== Below ===\nb\n==Two== \nc\n<!--\n== Three ==\n-->\n"
        "== not a heading\n=== == ===\n= Top =\nd"
    )
    assert [section.split() for section in split_sections(text)] == [
        ["lead"],
        ["a", "===", "Below", "===", "b"],
        ["c", "==", "not", "a", "heading", "===", "==", "==="],
        ["d"],
    ]
    assert plain_text("a\n=== Below ===\nb", HIDDEN).split() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{disambiguation}}", True),
        ("{{Disambig|geo}}", True),
        ("{{ human name disambiguation }}", True),
        ("{{hndis|Smith, John}}", True),
        ("{{Begriffsklärung}}", True),
        ("__DISAMBIG__", True),
        ("{{Other uses|X (disambiguation)}}", False),
        ("[[X]]{{disambiguation needed|date=May}}", False),
        ("{{dabs}}", False),
    ],
)
def test_disambiguation_is_told_by_the_name_of_a_template(text, expected):
    assert is_disambiguation(f"Text.\n{text}\n") is expected


HOSTILE = ["{{", "[[", "{|\n", "<ref>", "{{{", "''", "[[File:a|", "<!--", "{{a|", "==\n", "&",
           "<b ", "(", "\n* ", "<li>", "{{a|[[b}}", "{{a|[[b}}]]", "<i>{{a</i>", "[http://a ",
           "}}{{", ". (", "<i a='"]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_wikitext_takes_no_minutes(unit):
    text = unit * (50_000 // len(unit))
    start = time.process_time()
    for section in split_sections(text):
        prose_sentences(section, 4, HIDDEN)
    is_disambiguation(text)
    assert time.process_time() - start < 4


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "Černý kůň dnes běží. Šedý vlk tiše stojí. Žlutý pes venku spí",
            ["Černý kůň dnes běží.", "Šedý vlk tiše stojí."],
        ),
        ("这是[[第一]]句话。好。你真的喜欢它吗？", ["这是第一句话。", "你真的喜欢它吗？"]),
        ("यह पहला वाक्य है। यह दूसरा है", ["यह पहला वाक्य है।"]),
    ],
)
def test_sentences_of_other_alphabets(text, sentences):
    assert prose_sentences(text, 4, HIDDEN) == sentences
