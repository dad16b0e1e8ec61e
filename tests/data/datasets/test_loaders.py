"""The loaders of all data sets: found by name, and without defaults of their own."""

from inspect import Parameter, signature

import pytest
from dataset_defaults import load

from crl.experiments.config.datasets import DATASETS


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_a_loader_whose_options_have_no_defaults(name):
    parameters = signature(DATASETS[name].load()).parameters.values()
    assert {p.kind for p in parameters} <= {Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD}
    assert all(p.default is Parameter.empty for p in parameters)
    assert DATASETS[name].points in ("images", "sentences", "features")


def test_a_data_set_loads_by_name():
    dataset = load("glyphs", points_per_class=5, test_per_class=1, dev_fraction=0.2)
    assert dataset.name == "glyphs" and len(dataset.classes) == 100
    with pytest.raises(KeyError):
        load("no such data set")
