"""The record of a run's environment: versions, device, commit, data."""

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
_VARIABLES = (  # environment variables that choose the arithmetic or threads of libraries
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_CBWR",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
)


def environment(
    device: torch.device, precision: str, fingerprint: str, command: list[str]
) -> dict[str, Any]:
    """The record for ``environment.json`` and ``result.json``, as plain types.

    ``precision`` is "float32" or "bf16", ``fingerprint`` that of the data, ``command`` what the
    user typed.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor_name()
    return {
        "command": command,
        "versions": {
            "python": platform.python_version(),
            **{package: _version(package) for package in _PACKAGES},
        },
        "platform": platform.platform(),
        "device": f"{device.type}: {name}",
        "precision": precision,
        "threads": torch.get_num_threads(),
        "arithmetic": _arithmetic(device),
        "commit": _commit(),
        "data_fingerprint": fingerprint,
    }


def _arithmetic(device: torch.device) -> dict[str, Any]:
    """The influences on the last bits of a number, besides versions and threads.

    docs/determinism.md says how.
    """
    arithmetic: dict[str, Any] = {
        "cpu": _processor_name(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch_libraries": [
            line.strip(" -") for line in torch.__config__.show().splitlines() if "Intel(R)" in line
        ],
        "mkldnn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        # Those of NumPy and SciPy, which compute word vectors from co-occurrences.
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
        arithmetic |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    return arithmetic


def _processor_name() -> str:
    """The model of the CPU if the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(models), platform.processor() or platform.machine())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of this checkout, followed by "+" if files differ from it.

    None unless git tracks this very file: the repository around an installed copy is somebody
    else's.
    """
    file = Path(__file__).resolve()  # git does not look behind links, and crl/experiments is one
    # A hook of git sets these, and they would name another repository.
    others = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    variables = {name: value for name, value in os.environ.items() if name not in others}

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "--no-optional-locks", *arguments], cwd=file.parent, env=variables,
            capture_output=True, text=True, timeout=10, check=True,
        ).stdout.strip()  # fmt: skip

    try:
        git("ls-files", "--error-unmatch", file.name)
        return git("rev-parse", "HEAD") + (
            "+" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return None
