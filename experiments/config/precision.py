"""``runtime.precision=auto``: bf16 where the device computes it faster than float32.

A configuration holds what was chosen, never "auto": the precision changes numbers, so it belongs to
a run's identity. Imports torch only for a CUDA device.
"""

from collections.abc import Iterable
from pathlib import Path

from crl.experiments.config.schema import Config, RuntimeConfig

OPTION, AUTO = "runtime.precision", "auto"
_CPUINFO = Path("/proc/cpuinfo")
_FAST = {"amx_bf16", "avx512_bf16"}  # instructions that multiply bf16 numbers
_NVIDIA = Path("/dev/nvidiactl")


def choose_precision(config: Config) -> None:
    """Replace "auto" in the configuration by the precision that suits this machine."""
    if config.runtime.precision == AUTO:
        config.runtime.was_auto = True
        config.runtime.precision = "bf16" if _computes_bf16(config.runtime) else "float32"


def with_precision(overrides: Iterable[str], config: Config) -> tuple[str, ...]:
    """Return the overrides with "auto" replaced by what ``config`` has; it may be in a file too.

    A run is composed again where it starts, perhaps on another kind of machine.
    """
    if not config.runtime.was_auto:
        return tuple(overrides)
    chosen = f"{OPTION}={config.runtime.precision}"
    auto = (f"{OPTION}={AUTO}", f"+{OPTION}={AUTO}", f"++{OPTION}={AUTO}")
    kept = [chosen if override in auto else override for override in overrides]
    return tuple(kept if chosen in kept else [*kept, chosen])


def _computes_bf16(options: RuntimeConfig) -> bool:
    if options.device != "cpu" and _NVIDIA.exists():  # a fast answer for machines without a GPU
        import torch

        if torch.cuda.is_available():
            return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        return bool(_FAST & set(_CPUINFO.read_text().split()))
    except OSError:
        return False
