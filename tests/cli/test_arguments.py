"""The parser of ``NAME=VALUE`` and the aligned tables of the console."""

from pathlib import Path

import pytest

from crl.cli.arguments import Option, count, parse, path
from crl.cli.console import aligned
from crl.experiments.errors import ConfigError

POINTS, OUT, ONLY = count("points", 20, least=4), path("out", None), Option("only", "", str)
SCALE, JSON = Option("scale", "quick", str), Option("--json", False)
OPTIONS = (POINTS, OUT, ONLY, SCALE, JSON)


def test_options_without_arguments_have_their_defaults() -> None:
    parsed = parse("verb", [], OPTIONS)
    assert [parsed[option] for option in OPTIONS] == [20, None, "", "quick", False]
    assert parsed.folders == parsed.overrides == []


def test_arguments_are_sorted_and_typed(tmp_path: Path) -> None:
    odd = tmp_path / "a=b"
    odd.mkdir()
    arguments = ["runs", "points=7", "out=~", "only=a,b", "scale=", "--json", str(odd), "x.y=1"]
    parsed = parse("verb", arguments, OPTIONS, is_override=lambda a: a.startswith("x."))
    values = [parsed[option] for option in OPTIONS]
    assert values == [7, Path.home(), "a,b", "", True]
    assert parsed.folders == [Path("runs"), odd] and parsed.overrides == ["x.y=1"]


@pytest.mark.parametrize("typed", ["./o=ä,b", "../o=1", "/no/o=1", "~/no/o=1"])
def test_what_begins_as_a_path_is_one_though_it_has_an_equals_sign(typed: str) -> None:
    parsed = parse("verb", [typed], OPTIONS, is_override=lambda a: "=" in a and "." in a)
    assert parsed.folders == [Path(typed).expanduser()] and not parsed.overrides


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["points=3"], "points: '3' is not a whole number of at least 4"),
        (["points=²"], "points: '²' is not a whole number"),
        (["points=" + "9" * 5000], "is not a whole number"),
        (["points=-5"], "points: '-5' is not a whole number"),
        (["point=5"], "point=5: no such option of crl verb; did you mean points=?"),
        (["points"], "points: no such option of crl verb; did you mean points=?"),
        (["--jso"], "did you mean --json?"),
        (["--json=1"], "did you mean --json?"),
        (["-x"], "-x: no such option of crl verb; see crl verb --help"),
        (["out="], "out: a path is missing"),
        (["out=~nobody-of-this-name"], "no such user"),
        (["only=a", "only=b"], "only=b: only= is given twice"),
        (["a=" + "n" * 5000], "File name too long"),
    ],
)
def test_bad_arguments_are_named_in_one_line(arguments: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse("verb", arguments, OPTIONS, folders=arguments != ["points"])
    assert words in str(error.value) and "\n" not in str(error.value)


def test_columns_have_equal_width_and_no_trailing_spaces() -> None:
    rows = [["name", "n", "note"], ["a", "10", ""], ["long name"]]
    assert aligned(rows, left=(0, 2)) == "name        n  note\na          10\nlong name"
    assert aligned(rows, gap=" | ") == "     name |  n | note\n        a | 10 |\nlong name"
    assert aligned([]) == ""
