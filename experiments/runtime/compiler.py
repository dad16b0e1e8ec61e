"""Whether torch.compile works here, found out before a run begins."""

import torch

from crl.encoders.failures import first_line
from crl.experiments.errors import ConfigError


def check_compiling(device: torch.device) -> None:
    """Compile one line for the device, which takes seconds the first time.

    Raises ConfigError if that fails: a compiler may be there without its headers, say.
    """
    try:
        torch.compile(_line)(torch.zeros(8, device=device))
    except Exception as error:  # of the compiler, its files or torch's own parts
        raise ConfigError(
            f"runtime.compile: torch cannot compile here ({first_line(error)}); use "
            "runtime.compile=false"
        ) from error


def _line(numbers: torch.Tensor) -> torch.Tensor:
    return numbers.sin() + 1
