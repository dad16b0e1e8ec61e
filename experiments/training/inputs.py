"""The files that a run reads, compared with those that a finished run has read."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from crl.data.datasets import imdb, wiki3029
from crl.data.files.cache import data_home, expand_user, find
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError
from crl.experiments.runtime.console import Say
from crl.experiments.storage.results import read_result
from crl.experiments.training.build import Prepared, encoder_files, load_data

# Data that are searched for where no root is given: what they may be called.
_PUBLISHED = {"imdb": imdb.NAMES, "wiki3029": wiki3029.NAMES}
_REMEDY = "force=true trains anew, another output_dir keeps both"


def other_inputs(folder: Path, prepared: Prepared) -> list[str]:
    """Return the seeds of this configuration that have read other data or files than this run.

    ``folder``: the run's folder; the other seeds lie beside it.
    """
    seeds = []
    for path in sorted(folder.parent.glob("seed*")):
        if path == folder:
            continue
        with suppress(ConfigError):  # a damaged result: its next reader reports it
            result = read_result(path) or {"dataset": {}}
            data = result["dataset"].get("fingerprint", prepared.fingerprint)
            files = result.get("encoder_files", prepared.encoder_files)
            if (data, files) != (prepared.fingerprint, prepared.encoder_files):
                seeds.append(path.name)
    return seeds


class InputCheck:
    """Compares the files of configurations with those that their finished runs have read.

    It reads each data set once, so one check serves all runs of a sweep.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._fingerprints: dict[str, str] = {}

    def __call__(self, config: Config, result: Mapping[str, Any]) -> None:
        """Raise ConfigError if a file differs from the one that the run of ``result`` has read.

        A file that is not there any more cannot be compared: the stored result stands.
        """
        paths = config.encoder.files()
        stored = result.get("encoder_files", {})
        if all(self._is_there(path) for path in paths.values()):
            for name, fingerprint in encoder_files(config).items():
                if stored.get(name, fingerprint) != fingerprint:
                    raise ConfigError(
                        f"encoder.{name}: {paths[name]} has changed since this run read it; "
                        f"{_REMEDY}"
                    )
        if config.dataset.files_can_change and self._data_are_there(config):
            self._check_data(config, result["dataset"].get("fingerprint"))

    def _data_are_there(self, config: Config) -> bool:
        """Return whether the data can be read; nothing is downloaded for a comparison."""
        root = getattr(config.dataset, "root", None)
        if root is not None:
            return self._is_there(root)
        names = _PUBLISHED.get(config.dataset.name)
        return names is None or find(None, *names) is not None

    def _is_there(self, path: str) -> bool:
        there = expand_user(path).exists()
        if not there:
            self._say(f"{path} is not there any more, so it cannot be compared")
        return there

    def _check_data(self, config: Config, stored: str | None) -> None:
        key = repr((config.dataset, config.objective.block_size))
        if key not in self._fingerprints:
            self._fingerprints[key] = load_data(config, lambda line: None)[1]
        if stored not in (None, self._fingerprints[key]):
            named = f"dataset={config.dataset.name}: its data"
            if hasattr(config.dataset, "root"):
                named = f"dataset.root: the data in {config.dataset.root or data_home()}"
            raise ConfigError(f"{named} have changed since this run read them; {_REMEDY}")
