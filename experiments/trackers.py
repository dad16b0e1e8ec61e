"""Experiment trackers: TensorBoard, Weights & Biases, MLflow.

They get the same numbers as ``metrics.jsonl``. Each is imported only if asked for. A tracker can
neither change a result nor end a run that is in progress. To add one, write a class with the
methods of :class:`Tracker` and put it into ``TRACKERS`` under the name of its ``runtime`` option.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from crl.data.files.atomic import write_json
from crl.experiments.config.identity import flat_options
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError, one_line

Values = Mapping[str, float]


@dataclass(frozen=True)
class TrackedRun:
    """The facts about the run that a tracker gets.

    ``config``: option -> value, such as ``optimizer.lr`` -> 0.001. ``step``: training starts or
    continues here. ``id``: the service's name for the interrupted run that continues, or None.
    """

    name: str
    folder: Path
    config: dict[str, Any]
    step: int
    id: str | None


class Tracker(Protocol):
    """A run at a tracking service, from construction until :meth:`finish`.

    Every method may raise the exceptions of the service's package. ``id`` comes back as
    ``TrackedRun.id`` when the run continues; it is None if the service needs none.
    """

    def __init__(self, setting: Any, run: TrackedRun) -> None:
        """Start the run at the service, or continue it; ``setting`` is the ``runtime`` option."""

    @property
    def id(self) -> str | None:
        """The service's name for the run."""

    def log(self, step: int, values: Values) -> None:
        """Record the numbers of one line of ``metrics.jsonl``."""

    def finish(self, metrics: Values | None) -> None:
        """End with the final metrics, or with None if the run failed or was interrupted."""


class TensorBoard:
    """Event files in ``<run folder>/tensorboard``; repeated steps replace the old ones."""

    id = None

    def __init__(self, setting: bool, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._config, self._step = run.config, run.step
        self._writer: Any = SummaryWriter(str(run.folder / "tensorboard"), purge_step=run.step + 1)
        if not run.step:
            rows = (f"| {name} | {value} |" for name, value in run.config.items())
            self._writer.add_text(
                "config", "\n".join(["| option | value |", "|---|---|", *rows]), 0
            )

    def log(self, step: int, values: Values) -> None:
        self._step = step
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()  # steps before a checkpoint must survive a crash

    def finish(self, metrics: Values | None) -> None:
        if metrics is not None:  # TensorBoard's page "HParams" compares runs by these
            self._writer.add_hparams(
                self._config, dict(metrics), run_name=".", global_step=self._step
            )
        self._writer.close()


class WeightsAndBiases:
    """A run of the project in the setting, ``PROJECT`` or ``ENTITY/PROJECT``.

    If a run continues, W&B ignores the steps that it already has; their values are the same.
    """

    def __init__(self, setting: str, run: TrackedRun) -> None:
        # Seconds; by default W&B waits for the network without limit.
        os.environ.setdefault("WANDB_FINISH_TIMEOUT", "300")
        import wandb

        entity, _, project = setting.rpartition("/")
        self.id = run.id or secrets.token_hex(4)
        self._run: Any = wandb.init(
            entity=entity or None,
            project=project,
            id=self.id,
            name=run.name,
            config=run.config,
            dir=str(run.folder),
            resume="allow",
            reinit="create_new",  # one process may hold several independent runs
            settings=wandb.Settings(console="off", silent=True),
        )

    def log(self, step: int, values: Values) -> None:
        self._run.log(dict(values), step=step)

    def finish(self, metrics: Values | None) -> None:
        self._run.summary.update(dict(metrics or {}))
        self._run.finish(exit_code=0 if metrics is not None else 1)


class MLflow:
    """A run of the experiment ``crl`` at the tracking URI in the setting.

    MLflow cannot remove steps: if a run continues, repeated steps appear twice, with the same loss.
    """

    def __init__(self, setting: str, run: TrackedRun) -> None:
        # MLflow's own defaults can block training for minutes. The timeout is in seconds.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._metric, self._step = Metric, run.step
        self._client: Any = MlflowClient(tracking_uri=setting)
        if run.id is not None:
            self.id = run.id
            self._client.update_run(self.id, status="RUNNING")
        else:
            experiment = self._client.get_experiment_by_name("crl")
            experiment_id = (
                self._client.create_experiment("crl")
                if experiment is None
                else experiment.experiment_id
            )
            self.id = self._client.create_run(experiment_id, run_name=run.name).info.run_id
            self._client.log_batch(
                self.id, params=[Param(name, str(value)) for name, value in run.config.items()]
            )

    def log(self, step: int, values: Values) -> None:
        self._step, now = step, int(1000 * time.time())
        self._client.log_batch(
            self.id,
            metrics=[self._metric(name, value, now, step) for name, value in values.items()],
        )

    def finish(self, metrics: Values | None) -> None:
        if metrics is not None:
            self.log(self._step, metrics)
        self._client.set_terminated(self.id, status="KILLED" if metrics is None else "FINISHED")


TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}


class Trackers(AbstractContextManager["Trackers"]):
    """All trackers of a run, from :meth:`start` to the end of the ``with`` block.

    If a tracker fails during training, the run continues without it and the user sees a line. The
    run folder's ``loggers.json`` holds the ids of the trackers.
    """

    def __init__(self, config: Config, folder: Path, name: str, say: Callable[[str], None]) -> None:
        self._config, self._folder, self._say = config, folder, say
        self._name = f"{name}/seed{config.seed}"
        self._ids = folder / "loggers.json"
        self._settings = {n: setting for n in TRACKERS if (setting := getattr(config.runtime, n))}
        self._active: dict[str, Tracker] = {}

    def __exit__(self, *error: object) -> None:
        self.finish(None)

    def start(self, step: int) -> None:
        """Open the trackers of a run whose training is at this step.

        Raises ConfigError if one cannot be opened at step 0. Later, the run goes on without it.
        """
        stored = {} if self._config.force and not step else self._stored_ids()
        options = {  # a list, or null, becomes text
            name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
            for name, value in flat_options(self._config).items()
        }
        for name, setting in self._settings.items():
            same = stored.get(name, {}).get("setting") == setting
            run_id = stored[name]["id"] if same else None
            run = TrackedRun(self._name, self._folder, options, step, run_id)
            try:
                self._active[name] = TRACKERS[name](setting, run)
            except Exception as error:
                if not step:
                    raise ConfigError(
                        f"runtime.{name}: cannot be started ({one_line(error)})"
                    ) from error
                self._drop(name, error)
        stored |= {
            name: {"setting": self._settings[name], "id": tracker.id}
            for name, tracker in self._active.items()
            if tracker.id is not None
        }
        if stored:
            write_json(self._ids, stored)

    def log(self, line: Mapping[str, Any]) -> None:
        """Record a line of ``metrics.jsonl``."""
        values = {name: float(value) for name, value in line.items() if name != "step"}
        self._each(lambda tracker: tracker.log(line["step"], values))

    def finish(self, metrics: Values | None) -> None:
        """Close with the final metrics, or None if the run has none; a second call does nothing."""
        self._each(lambda tracker: tracker.finish(metrics))
        self._active.clear()

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._active.items()):
            try:
                call(tracker)
            except Exception as error:
                self._drop(name, error)

    def _drop(self, name: str, error: Exception) -> None:
        self._active.pop(name, None)
        self._say(
            f"runtime.{name}: gave up ({one_line(error)}); "
            "the run goes on, metrics.jsonl has every line"
        )

    def _stored_ids(self) -> dict[str, dict[str, Any]]:
        try:
            stored = json.loads(self._ids.read_text("utf-8"))
            return {
                name: {"setting": entry["setting"], "id": str(entry["id"])}
                for name, entry in stored.items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}  # missing or damaged: the services start a new run
