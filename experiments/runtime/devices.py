"""The device that a run computes on: precision, threads, memory, determinism."""

import ctypes
import logging
import sys
from datetime import timedelta

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from crl.experiments.config.schema import RuntimeConfig
from crl.experiments.errors import ConfigError
from crl.experiments.runtime.compiler import check_compiling
from crl.experiments.runtime.ranks import ALONE, Ranks

# How long a rank waits for the others: rank 0 alone downloads, prepares data and evaluates.
_PATIENCE = timedelta(days=1)
# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def build_fabric(options: RuntimeConfig, ranks: Ranks = ALONE) -> Fabric:
    """Set up the process for a run; with several ranks, wait for the others.

    Raises ConfigError for a device that is not there, and where torch.compile does not work.
    """
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "runtime.device: no CUDA device is available; use runtime.device=cpu or auto"
        )
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    device = auto if options.device == "auto" else options.device
    if device == "cuda" and torch.cuda.device_count() < ranks.per_node:
        raise ConfigError(
            f"runtime.devices: {ranks.per_node} processes share a node, but each sees only "
            f"{torch.cuda.device_count()} CUDA device(s); use fewer, or runtime.device=cpu"
        )
    if device == "cpu":
        keep_freed_memory()
    torch.use_deterministic_algorithms(device == "cpu")
    # No code here reads memory before it writes it; filling it costs up to a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    try:
        fabric = Fabric(
            accelerator=device, devices=ranks.per_node, num_nodes=ranks.nodes,
            strategy=DDPStrategy(timeout=_PATIENCE) if ranks.count > 1 else "auto",
            plugins=ranks.environment,
            precision="bf16-mixed" if options.precision == "bf16" else "32-true",
        )  # fmt: skip
        fabric.launch()
    except ValueError as error:  # a cluster's variables that contradict one another
        raise ConfigError(f"runtime.devices: {error}") from error
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    if options.compile and fabric.is_global_zero:
        check_compiling(fabric.device)
    return fabric


def keep_freed_memory() -> None:
    """Let this process keep what it frees, if the C library is glibc.

    A step on a CPU frees hundreds of MB of activations, and the next step needs them again. glibc
    returns blocks above 32 MB to the system each time. The system fills them with zeros when they
    come back, which takes up to a third of a step.
    """
    if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
