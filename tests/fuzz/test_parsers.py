"""Every parser on odd inputs returns a result or raises DataError or ConfigError."""

from pathlib import Path

import pytest
from parsers import PARSERS, Parser
from trying import trial


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_some_inputs(parser: Parser, tmp_path: Path) -> None:
    case, outcomes = trial(parser, parser.short, tmp_path, derandomize=True)
    case()
    # Otherwise all inputs would be alike.
    assert outcomes["read"] and bool(outcomes["refused"]) == parser.refuses


@pytest.mark.slow
def test_a_hundred_thousand_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    total = 0
    for parser in PARSERS:
        case, outcomes = trial(parser, parser.long, tmp_path)
        case()
        total += outcomes.total()
        with capsys.disabled():
            print(
                f"\n{parser.name}: {outcomes['read']} read, {outcomes['refused']} refused", end=""
            )
    with capsys.disabled():
        print(f"\n{total} cases in all")
    assert total >= 100_000
