"""A copy of a sweep's trials in a database of the user's: ``hydra.sweeper.storage=URL``."""

from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from crl.experiments.errors import ConfigError, RunError, one_line


class StudyRecord:
    """The study in the database, for Optuna's dashboard; without a URL it does nothing.

    The same sweep finds its study again and adds the trials that are not in it.
    """

    def __init__(
        self,
        url: str | None,
        name: str,
        direction: StudyDirection,
        distributions: Mapping[str, BaseDistribution],
    ) -> None:
        """Open or make the study.

        Raises ConfigError, without the URL, which may hold a password, if that is impossible; and
        if the study is over other values.
        """
        self._study: optuna.Study | None = None
        self._name = name
        if url is None:
            return
        try:
            self._study = optuna.create_study(
                storage=url, study_name=name, direction=direction, load_if_exists=True
            )
            other = self._study.direction != direction or any(
                trial.distributions != distributions for trial in self._study.trials
            )
        except Exception as error:  # of a driver, of SQLAlchemy or of Optuna
            raise ConfigError(
                f"hydra.sweeper.storage: no database there that can be used ({one_line(error)}); "
                "give a URL like sqlite:///trials.db"
            ) from error
        if other:
            raise self._other_sweep()

    def add(self, trials: Sequence[FrozenTrial]) -> None:
        """Add the trials that the study lacks.

        Raises ConfigError if it holds those of another sweep, RunError if the database fails.
        """
        if self._study is None:
            return
        try:
            there = self._study.trials
            if any(old.params != new.params for old, new in zip(there, trials, strict=False)):
                raise self._other_sweep()
            for trial in trials[len(there) :]:
                self._study.add_trial(trial)
        except ConfigError:
            raise
        except Exception as error:  # as above
            raise RunError(
                f"hydra.sweeper.storage: the trials cannot be written ({one_line(error)}); "
                "the same command goes on"
            ) from error

    def _other_sweep(self) -> ConfigError:
        return ConfigError(
            f"hydra.sweeper.study_name={self._name}: the study holds the trials of another sweep; "
            "choose another name"
        )
