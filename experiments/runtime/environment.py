"""What a number depends on beside its configuration: versions, device, commit, data, command."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_info

_PACKAGES = (
    "crl",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "hydra-core",
    "lightning-fabric",
    "pillow",
)
_VARIABLES = (  # that choose the arithmetic or the threads of the libraries below
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_CBWR",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
)


def environment(device: torch.device, fingerprint: str, command: list[str]) -> dict[str, Any]:
    """Plain types for ``environment.json`` and ``result.json``."""
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or platform.machine()
    )
    return {
        "command": command,
        "versions": {
            "python": platform.python_version(),
            **{package: _version(package) for package in _PACKAGES},
        },
        "platform": platform.platform(),
        "device": f"{device.type}: {name}",
        "threads": torch.get_num_threads(),
        "arithmetic": _arithmetic(device),
        "commit": _commit(),
        "data_fingerprint": fingerprint,
    }


def _arithmetic(device: torch.device) -> dict[str, Any]:
    """What the last bits of a number depend on beside versions and threads
    (docs/determinism.md)."""
    found: dict[str, Any] = {
        "cpu": _cpu(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch_libraries": [
            line.strip(" -") for line in torch.__config__.show().splitlines() if "Intel(R)" in line
        ],
        "mkldnn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        # Of NumPy and SciPy, which word vectors from co-occurrences are computed with.
        "libraries": [
            {
                name: library.get(name)
                for name in ("internal_api", "version", "architecture", "num_threads")
            }
            for library in threadpool_info()
        ],
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }
    if device.type == "cuda":
        found |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return found


def _cpu() -> str:
    """The model of the processor, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout that runs, with "+" behind it where files differ from it; None
    outside of one."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            "+" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return None
