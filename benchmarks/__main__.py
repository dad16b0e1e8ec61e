"""The command: run the benchmarks that are named, or all; print every row and keep it in
benchmarks/results.json.

python -m benchmarks [NAME ...]
"""

import os
import pkgutil
import sys
from datetime import date
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from tqdm import tqdm

import benchmarks
from benchmarks import table
from experiments.config.compose import compose_config
from experiments.runtime.environment import environment, processor_name
from experiments.training.build import build_fabric

REPEATS = 5
_FOLDER = Path(__file__).parent


def main(names: list[str], folder: Path = _FOLDER, repeats: int = REPEATS) -> int:
    """Measure the named benchmarks (none: all), update their rows in the folder; the exit code."""
    known = modules()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(
            f"benchmarks: no benchmark {unknown[0]!r}; choose among {', '.join(known)}",
            file=sys.stderr,
        )
        return 2
    build_fabric(
        compose_config(["runtime.device=cpu"])
    )  # the process as a run has it, whichever benchmarks follow
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    measured_on = machine()
    print(measured_on)
    results = table.load(folder / "results.json")
    with tqdm(names or list(known), desc="benchmarks", disable=None) as bar:
        for name in bar:
            bar.set_postfix_str(name)
            rows = run(known[name], repeats, measured_on)
            for row, found in rows.items():
                tqdm.write(table.line(row, found))
            # Rows that a benchmark no longer has go, those of other benchmarks stay.
            kept = {row: found for row, found in results.items() if found["benchmark"] != name}
            results = dict(sorted((kept | rows).items()))
            table.save(results, folder)
    print(f"written: {folder / 'results.json'}, {folder / 'results.md'}")
    return 0


def modules() -> dict[str, ModuleType]:
    """Every benchmark there is: the modules of this folder that can measure."""
    names = sorted(
        found.name
        for found in pkgutil.iter_modules(benchmarks.__path__)
        if found.name != "__main__"
    )
    loaded = {name: import_module(f"benchmarks.{name}") for name in names}
    return {name: module for name, module in loaded.items() if hasattr(module, "measure")}


def run(module: ModuleType, repeats: int, measured_on: str) -> table.Results:
    """The rows of one benchmark, each with what it was measured on and how."""
    rows = {name: table.summary(name, values) for name, values in module.measure(repeats).items()}
    about = {"benchmark": module.__name__.rpartition(".")[2], "measured_on": measured_on}
    if hasattr(module, "note"):
        about["note"] = module.note()
    return {name: found | about for name, found in rows.items()}


def machine() -> str:
    """Cores, processor, versions, threads, date and commit in one line."""
    about = environment(torch.device("cpu"), "", [])
    commit = about["commit"] or "unknown"
    return (
        f"{os.cpu_count()} cores, {processor_name()}, torch {about['versions']['torch']}, "
        f"{torch.get_num_threads()} threads, "
        f"{date.today().isoformat()}, commit {commit[:10]}{'+' if commit.endswith('+') else ''}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
