"""One run on several devices: a process (rank) for each, and how they end together.

This process starts the others, or torchrun or srun has started all of them. Two existing launchers
do not serve here. torchrun's leaves its workers behind when it is killed. It also kills them 30 s
after a signal, even if the checkpoint is not written. Fabric's launcher runs ``sys.argv`` again.
When a rank dies, it kills the calling process, which leaves no message and no exit code.
"""

import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from lightning_fabric.plugins.environments import (
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from torch import distributed
from tqdm import tqdm

from crl.data.errors import DataError
from crl.experiments.config.schema import Config
from crl.experiments.errors import ConfigError, OutOfMemory, RunError
from crl.experiments.launch.own_modules import started, starting
from crl.experiments.launch.worker_pool import end_with_parent, how_it_died
from crl.experiments.run import run
from crl.experiments.runtime.console import Say
from crl.experiments.runtime.ranks import Ranks, leave_process_group
from crl.experiments.runtime.signals import deaf_to_ctrl_c, ignore_signals

# A forked torch would inherit locks and, on CUDA, a broken device.
_CONTEXT = multiprocessing.get_context("spawn")
_GRACE = 10.0  # seconds for rank 0 to end by itself when another rank has died
_GOES_ON = "the same command goes on from the last checkpoint"


class _LostRankError(RunError):
    """Another process of this run has ended."""


class Local(LightningEnvironment):
    """The environment of a rank that crl has started on this machine."""

    creates_processes_externally = True
    main_address = "127.0.0.1"
    main_port = 0  # that rank 0 listens on

    def __init__(self, rank: int, port: int) -> None:
        super().__init__()
        self._rank, self.main_port = rank, port

    def local_rank(self) -> int:
        """The rank of this process on its node: 0, 1, ..."""
        return self._rank

    def node_rank(self) -> int:
        """The number of this node, the only one."""
        return 0


def run_on_devices(config: Config, command: list[str], say: Say) -> dict[str, Any]:
    """Do :func:`crl.experiments.run.run` on the configured devices, or with torchrun's ranks.

    Only rank 0 returns a result and talks to the user; other ranks that torchrun or srun started
    exit inside this function. Raises ConfigError, DataError or RunError. RunError can also mean
    that another rank died.
    """
    ranks = started_outside(config)
    count = config.runtime.devices if ranks is None else ranks.count
    if config.training.batch_size % count:
        raise ConfigError(
            f"training.batch_size: {config.training.batch_size} tuples cannot be shared equally "
            f"by {count} devices; choose a multiple of {count}"
        )
    if count == 1:
        return run(config, command, say)
    if ranks is None:
        port = find_free_network_port()
        others = [
            _CONTEXT.Process(
                target=_other,
                args=(config, command, Ranks(Local(rank, port), count)),
                name=f"rank {rank}",
                daemon=True,
            )
            for rank in range(1, count)
        ]
        with _ending_together(others):
            return _run(config, command, say, Ranks(Local(0, port), count))
    if ranks.environment.global_rank() > 0:
        sys.exit(_follow(config, command, ranks))
    return _run(config, command, say, ranks)


def started_outside(config: Config) -> Ranks | None:
    """Return the ranks that torchrun or srun has started, this process among them, else None.

    Raises ConfigError if they are not as many as the configuration asks for.
    """
    wanted = config.runtime.devices
    # Only srun sets this, not a batch script by itself. Tasks of one device are single runs.
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if TorchElasticEnvironment.detect():
        starter, count = "torchrun", int(os.environ["WORLD_SIZE"])
        per_node = int(os.environ.get("LOCAL_WORLD_SIZE", str(count)))
    elif wanted > 1 and tasks > 1:
        starter, count = "srun", tasks
        per_node = count // int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))
    else:
        return None
    if wanted not in (1, count):
        raise ConfigError(
            f"runtime.devices: {wanted} are set, but {starter} has started {count} process(es)"
        )
    if count == 1:
        return None
    try:
        environment = (
            TorchElasticEnvironment()
            if starter == "torchrun"
            else SLURMEnvironment(auto_requeue=False)
        )
    except RuntimeError as error:  # variables of SLURM that Fabric cannot use
        raise ConfigError(f"runtime.devices: {error}") from error
    return Ranks(environment, per_node, count // per_node)


@contextmanager
def _ending_together(others: Sequence[BaseProcess]) -> Iterator[None]:
    """Start the other processes; end them with the context, and this process if one dies.

    Raises RunError that says which one.
    """
    with starting(), deaf_to_ctrl_c():
        for other in others:
            other.start()
    over = threading.Event()
    threading.Thread(target=_watch, args=(others, over), daemon=True).start()
    try:
        yield
    except _LostRankError as error:
        raise RunError(_who_died(others, _GRACE) or str(error)) from error
    finally:
        over.set()
        for other in others:
            other.kill()
        for other in others:
            other.join()
        leave_process_group()


def _watch(others: Sequence[BaseProcess], over: threading.Event) -> None:
    """End this process when another one dies; over NCCL it would wait for ever."""
    alive = list(others)
    while alive and not over.is_set():
        ended = wait([other.sentinel for other in alive], timeout=1)
        if ended and not over.wait(_GRACE):
            if why := _who_died(alive, 0):
                print(f"crl: {why}", file=sys.stderr, flush=True)
                os._exit(1)
            alive = [other for other in alive if other.sentinel not in ended]


def _who_died(others: Sequence[BaseProcess], patience: float) -> str | None:
    """Return which process has died and how; wait ``patience`` seconds for the first to end."""
    ended = wait([other.sentinel for other in others], timeout=patience)
    for other in others:
        if other.sentinel in ended:
            other.join()  # the exit code may come a moment later than the end
            if code := other.exitcode:
                who = f"the process of {other.name}"
                return f"{who} {how_it_died(code)}; {_GOES_ON}"
    return None


def _other(config: Config, command: list[str], ranks: Ranks) -> None:
    """Train as another rank than 0, in a process that rank 0 started."""
    started()
    end_with_parent()
    os._exit(_follow(config, command, ranks))  # cleaning up could only go wrong


def _follow(config: Config, command: list[str], ranks: Ranks) -> int:
    """Train along with rank 0, silently; return the exit code. It ends when rank 0 does."""
    ignore_signals()  # rank 0 handles them, and saves a checkpoint first
    warnings.simplefilter("ignore")
    tqdm.set_lock(threading.RLock())  # a killed process would leave tqdm's semaphore
    try:
        _run(config, command, lambda line: None, ranks)
    except (ConfigError, DataError):
        return 2
    except OutOfMemory as error:  # rank 0 sees only that this process is gone
        print(f"crl: rank {ranks.environment.global_rank()}: {error}", file=sys.stderr, flush=True)
        return 1
    except (RunError, OSError):
        return 1
    return 0


def _run(config: Config, command: list[str], say: Say, ranks: Ranks) -> dict[str, Any]:
    """Do the run. Raises _LostRankError if a collective operation fails: another rank has ended."""
    try:
        return run(config, command, say, ranks)
    except RuntimeError as error:
        if (
            isinstance(error, distributed.DistError) or "gloo" in str(error).lower()
        ):  # gloo's only sign
            raise _LostRankError(f"another process of this run has ended; {_GOES_ON}") from error
        raise
