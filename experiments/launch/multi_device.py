"""A run on several devices: its processes, whoever starts them (this one, torchrun, or srun), and
how they end together."""

import multiprocessing
import os
import signal
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

from data.errors import DataError
from experiments.config.schema import Config
from experiments.errors import ConfigError, RunError
from experiments.launch.worker_pool import end_with_parent
from experiments.run import run
from experiments.runtime.console import Say
from experiments.runtime.ranks import Ranks, leave_process_group

_CONTEXT = multiprocessing.get_context(
    "spawn"
)  # a forked torch would inherit locks and, on CUDA, a broken device
_GRACE = 10.0  # seconds for rank 0 to end by itself when another rank has died
_GOES_ON = "the same command goes on from the last checkpoint"
_LOST = f"another process of this run has ended; {_GOES_ON}"


class Local(LightningEnvironment):
    """For ranks on this machine that crl has started itself."""

    def __init__(self, rank: int, port: int) -> None:
        super().__init__()
        self._rank, self._port = rank, port

    creates_processes_externally = True
    main_address = "127.0.0.1"

    @property
    def main_port(self) -> int:
        """Where rank 0 listens."""
        return self._port

    def local_rank(self) -> int:
        """0, 1, ..."""
        return self._rank

    def node_rank(self) -> int:
        """There is one node."""
        return 0


def run_on_devices(config: Config, command: list[str], say: Say) -> dict[str, Any]:
    """:func:`experiments.run.run` on as many devices as the configuration says, or as torchrun has
    started processes.

    Rank 0 alone comes back from here with a result and is heard; in other processes that were
    started from outside this ends the process. Raises ConfigError, DataError or RunError, the last
    also where another rank has died.
    """
    ranks = started_outside(config)
    count = config.runtime.devices if ranks is None else ranks.count
    if config.training.batch_size % count:
        raise ConfigError(
            f"training.batch_size: {config.training.batch_size} tuples cannot be shared equally by {count} devices; "
            f"choose a multiple of {count}"
        )
    if count == 1:
        return run(config, command, say)
    if ranks is None:
        port = find_free_network_port()
        others = [
            _CONTEXT.Process(
                target=_other,
                args=(config, command, rank, count, port),
                name=f"rank {rank}",
                daemon=True,
            )
            for rank in range(1, count)
        ]
        with _ending_together(others):
            return run(config, command, say, Ranks(Local(0, port), count))
    if ranks.environment.global_rank() > 0:
        sys.exit(_follow(config, command, ranks))
    try:
        return run(config, command, say, ranks)
    except RuntimeError as error:
        if _tells_of_a_lost_rank(error):
            raise RunError(_LOST) from error
        raise


def started_outside(config: Config) -> Ranks | None:
    """The ranks of which torchrun or srun has started this process as one; None if this is all
    there is so far."""
    wanted = config.runtime.devices
    if TorchElasticEnvironment.detect():
        count, starter = int(os.environ["WORLD_SIZE"]), "torchrun"
        per_node = int(os.environ.get("LOCAL_WORLD_SIZE", str(count)))
    else:
        # Only srun sets these, not a job that runs without it. Tasks that are one device each are
        # runs of their own.
        count, starter = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")), "srun"
        per_node = count // int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))
        if wanted == 1 or count == 1:
            return None
    if wanted not in (1, count):
        raise ConfigError(
            f"runtime.devices: {wanted} are wanted, but {starter} has started {count} process(es)"
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
    """The other processes, from here to the end of the context, however it ends. Where one dies, so
    does this one."""
    for other in others:
        other.start()
    over = threading.Event()
    threading.Thread(target=_watch, args=(others, over), daemon=True).start()
    try:
        yield
    except RuntimeError as error:
        if _tells_of_a_lost_rank(error):
            wait([other.sentinel for other in others], timeout=_GRACE)
            raise RunError(_who_died(others) or _LOST) from error
        raise
    finally:
        over.set()
        for other in others:
            other.kill()
        for other in others:
            other.join()
        leave_process_group()


def _watch(others: Sequence[BaseProcess], over: threading.Event) -> None:
    """End this process when another has died and it waits for that one in vain (over NCCL it would
    for ever)."""
    left = list(others)
    while left and not over.is_set():
        ended = wait([other.sentinel for other in left], timeout=1)
        if ended and not over.wait(_GRACE):
            if why := _who_died(left):
                print(f"crl: {why}", file=sys.stderr, flush=True)
                os._exit(1)
            left = [other for other in left if other.sentinel not in ended]


def _who_died(others: Sequence[BaseProcess]) -> str | None:
    for other in others:
        if other.exitcode:
            return f"the process of {other.name} died (exit code {other.exitcode}; out of memory?); {_GOES_ON}"
    return None


def _tells_of_a_lost_rank(error: RuntimeError) -> bool:
    """Whether a collective says it: gloo has no exception of its own."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error).lower()


def _other(config: Config, command: list[str], rank: int, count: int, port: int) -> None:
    """The process of another rank than 0."""
    end_with_parent()
    os._exit(
        _follow(config, command, Ranks(Local(rank, port), count))
    )  # what is left to do could only go wrong


def _follow(config: Config, command: list[str], ranks: Ranks) -> int:
    """Train along; the exit code. Rank 0 speaks for all, and when it ends so does this process."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            signal.signal(
                getattr(signal, name), signal.SIG_IGN
            )  # rank 0 hears them, and saves a checkpoint first
    warnings.simplefilter("ignore")
    tqdm.set_lock(
        threading.RLock()
    )  # its own is a semaphore, of which a process that is killed leaves a trace
    try:
        run(config, command, lambda line: None, ranks)
    except (ConfigError, DataError):
        return 2
    except (RunError, OSError):
        return 1
    except RuntimeError as error:
        if _tells_of_a_lost_rank(error):
            return 1
        raise
    return 0
