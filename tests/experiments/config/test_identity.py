"""Flat options: one name a value."""

from crl.experiments.config.compose import compose_config
from crl.experiments.config.identity import flat_options


def test_nested_options_become_dotted_names() -> None:
    nested = {"seed": 0, "optimizer": {"lr": 0.1, "more": {"a": None}}, "ks": [2, 5]}
    assert flat_options(nested) == {
        "seed": 0,
        "optimizer.lr": 0.1,
        "optimizer.more.a": None,
        "ks": [2, 5],
    }


def test_a_composed_configuration_is_flattened() -> None:
    options = flat_options(compose_config(["optimizer.lr=0.25"]))
    assert options["optimizer.lr"] == 0.25 and options["dataset.name"] == "glyphs"
