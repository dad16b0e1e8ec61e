"""Where the lines of metrics.jsonl go as well: TensorBoard, Weights & Biases, MLflow; each imported
only where asked for.

A logger is a class with :class:`Logger`'s methods and a line in ``LOGGERS``, under the name of its
``runtime`` option. None of them can change a result or end a run that is under way.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from data.files.atomic import write_json
from experiments.config.identity import flat_options
from experiments.config.schema import Config
from experiments.errors import ConfigError, one_line

Values = Mapping[str, float]


@dataclass(frozen=True)
class Logged:
    """The run as a logger is told of it: ``config`` is flat (``optimizer.lr`` -> 0.001); ``step``:
    training goes on there.

    ``id``: what the service called the run when it was broken off, None for a run that it has not
    seen.
    """

    name: str
    folder: Path
    config: dict[str, Any]
    step: int
    id: str | None


class Logger(Protocol):
    """A run at a service, open from construction to :meth:`finish`; any method may raise what the
    service's package does.

    ``package`` must be there to import; ``id`` is handed back in ``Logged.id`` when the run goes
    on, None if it needs none.
    """

    package: ClassVar[str]

    def __init__(self, setting: Any, run: Logged) -> None: ...

    @property
    def id(self) -> str | None: ...

    def log(self, step: int, values: Values) -> None:
        """The numbers of one line."""

    def finish(self, metrics: Values | None) -> None:
        """End with the final metrics, or with None for a run that failed or was interrupted."""


class TensorBoard:
    """Event files in ``<run folder>/tensorboard``; of a run that goes on, steps that are done again
    replace the old ones."""

    package: ClassVar[str] = "tensorboard"
    id = None

    def __init__(self, setting: bool, run: Logged) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._config, self._step = run.config, run.step
        self._writer: Any = SummaryWriter(str(run.folder / "tensorboard"), purge_step=run.step + 1)
        if not run.step:
            rows = [f"| {name} | {value} |" for name, value in run.config.items()]
            self._writer.add_text(
                "config", "\n".join(["| option | value |", "|---|---|", *rows]), 0
            )

    def log(self, step: int, values: Values) -> None:
        self._step = step
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()  # what a checkpoint is past of must not be lost with the process

    def finish(self, metrics: Values | None) -> None:
        if metrics is not None:  # the page "hparams" compares runs by these
            self._writer.add_hparams(
                self._config, dict(metrics), run_name=".", global_step=self._step
            )
        self._writer.close()


class WeightsAndBiases:
    """A run of the project in the setting, ``PROJECT`` or ``ENTITY/PROJECT``.

    Of a run that goes on, W&B drops the steps that it has; they are done again with the same
    outcome.
    """

    package: ClassVar[str] = "wandb"

    def __init__(self, setting: str, run: Logged) -> None:
        os.environ.setdefault(
            "WANDB_FINISH_TIMEOUT", "300"
        )  # seconds; W&B's own is to wait for the network for ever
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
            reinit="create_new",  # runs of one process know nothing of each other
            settings=wandb.Settings(console="off", silent=True),
        )

    def log(self, step: int, values: Values) -> None:
        self._run.log(dict(values), step=step)

    def finish(self, metrics: Values | None) -> None:
        self._run.summary.update(dict(metrics or {}))
        self._run.finish(exit_code=0 if metrics is not None else 1)


class MLflow:
    """A run of the experiment ``crl`` at the tracking URI in the setting.

    MLflow cannot take steps back: of a run that goes on, those done again stand there twice, with
    the same loss.
    """

    package: ClassVar[str] = "mlflow"

    def __init__(self, setting: str, run: Logged) -> None:
        os.environ.setdefault(
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"
        )  # MLflow's own would hold up training for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")  # seconds
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._metric, self._step = Metric, run.step
        self._client: Any = MlflowClient(tracking_uri=setting)
        if run.id is not None:
            self.id = run.id
            self._client.update_run(self.id, status="RUNNING")
        else:
            experiment = self._client.get_experiment_by_name("crl")
            place = (
                self._client.create_experiment("crl")
                if experiment is None
                else experiment.experiment_id
            )
            self.id = self._client.create_run(place, run_name=run.name).info.run_id
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


LOGGERS: dict[str, type[Logger]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}


class Loggers:
    """The loggers that a run asks for, as one, from :meth:`start` to the end of the ``with`` block.

    One that fails once training has begun is said aloud and dropped. Their ids lie in the run
    folder's ``loggers.json``.
    """

    def __init__(self, config: Config, folder: Path, name: str, say: Callable[[str], None]) -> None:
        self._config, self._folder, self._say = config, folder, say
        self._name = f"{name}/seed{config.seed}"
        self._ids = folder / "loggers.json"
        self._active: dict[str, Logger] = {}

    def __enter__(self) -> "Loggers":
        return self

    def __exit__(self, *error: object) -> None:
        self.finish(None)

    def start(self, step: int) -> None:
        """Open them for a run whose training is at this step.

        Raises ConfigError for one that cannot be opened, unless the run goes on: then it does so
        without it.
        """
        known = {} if self._config.force and not step else self._known()
        for name, setting in _asked(self._config).items():
            same = known.get(name, {}).get("setting") == setting
            run = Logged(
                self._name,
                self._folder,
                _flat(self._config),
                step,
                known[name]["id"] if same else None,
            )
            try:
                logger = self._active[name] = LOGGERS[name](setting, run)
            except Exception as error:
                if not step:
                    raise ConfigError(
                        f"runtime.{name}: cannot be started ({one_line(error)})"
                    ) from error
                self._drop(name, error)
                continue
            if logger.id is not None:
                known[name] = {"setting": setting, "id": logger.id}
        if known:
            write_json(self._ids, known)

    def log(self, line: Mapping[str, Any]) -> None:
        """A line of metrics.jsonl."""
        values = {name: float(value) for name, value in line.items() if name != "step"}
        self._each(lambda logger: logger.log(line["step"], values))

    def finish(self, metrics: Values | None) -> None:
        """Hand over the final metrics and close; None for a run that ends without. The second time,
        nothing happens."""
        self._each(lambda logger: logger.finish(metrics))
        self._active.clear()

    def _each(self, call: Callable[[Logger], None]) -> None:
        for name, logger in list(self._active.items()):
            try:
                call(logger)
            except Exception as error:
                self._drop(name, error)

    def _drop(self, name: str, error: Exception) -> None:
        self._active.pop(name, None)
        self._say(
            f"runtime.{name}: gave up ({one_line(error)}); the run goes on, metrics.jsonl has every line"
        )

    def _known(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self._ids.read_text())
            return {
                name: {"setting": entry["setting"], "id": str(entry["id"])}
                for name, entry in found.items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}  # none yet, or damaged: the services get a new run


def _asked(config: Config) -> dict[str, Any]:
    """Option -> setting of those that are not false, null or empty."""
    return {name: setting for name in LOGGERS if (setting := getattr(config.runtime, name))}


def _flat(config: Config) -> dict[str, Any]:
    """Return ``group.option`` -> value; a list, or null, is text."""
    return {
        name: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for name, value in flat_options(config).items()
    }
