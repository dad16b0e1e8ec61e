"""``python -m benchmarks [NAME ...]``: run the named benchmarks, or all.

Prints every row and stores it in ``benchmarks/results.json`` and ``benchmarks/results.md``.
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
from crl.experiments.config.compose import compose_config
from crl.experiments.runtime.devices import build_fabric
from crl.experiments.runtime.environment import environment

REPEATS = 5
_FOLDER = Path(__file__).parent


def main(names: list[str], folder: Path = _FOLDER, repeats: int = REPEATS) -> int:
    """Run the named benchmarks (default: all), update their rows, and return the exit code.

    It is 1 if a bound does not hold, 2 for an unknown benchmark.
    """
    known = modules()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(
            f"benchmarks: no benchmark {unknown[0]!r}; choose among {', '.join(known)}",
            file=sys.stderr,
        )
        return 2
    build_fabric(compose_config(["runtime.device=cpu"]).runtime)  # sets up the process like a run
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    measured_on = machine()
    print(measured_on)
    results = table.load(folder / "results.json")
    broken: list[str] = []
    with tqdm(names or list(known), desc="benchmarks", disable=None) as bar:
        for name in bar:
            bar.set_postfix_str(name)
            rows = run(known[name], repeats, measured_on)
            for row, summary in rows.items():
                tqdm.write(table.line(row, summary))
                if not summary.get("holds", True):
                    broken.append(f"{row} is {table.measured(summary):.3g}, not {summary['bound']}")
            # All rows of this benchmark are replaced; those of other benchmarks stay.
            others = {row: old for row, old in results.items() if old["benchmark"] != name}
            results = dict(sorted((others | rows).items()))
            table.save(results, folder)
    print(f"written: {folder / 'results.json'}, {folder / 'results.md'}")
    if broken:
        print(
            f"benchmarks: {len(broken)} bound(s) do not hold: {'; '.join(broken)}", file=sys.stderr
        )
    return 1 if broken else 0


def modules() -> dict[str, ModuleType]:
    """Return all benchmarks: the modules of this folder that have a function ``measure``."""
    files = pkgutil.iter_modules(benchmarks.__path__)
    names = sorted(file.name for file in files if file.name != "__main__")
    loaded = {name: import_module(f"benchmarks.{name}") for name in names}
    return {name: module for name, module in loaded.items() if hasattr(module, "measure")}


def run(module: ModuleType, repeats: int, measured_on: str) -> table.Results:
    """Run one benchmark and return its rows, each with the machine and the note."""
    rows = {name: table.summary(name, values) for name, values in module.measure(repeats).items()}
    origin = {"benchmark": module.__name__.rpartition(".")[2], "measured_on": measured_on}
    if hasattr(module, "note"):
        origin["note"] = module.note()
    return {name: summary | origin for name, summary in rows.items()}


def machine() -> str:
    """Return cores, processor, version of torch, threads, date and commit in one line."""
    info = environment(torch.device("cpu"), "float32", "", [])
    commit = info["commit"] or "unknown"
    return (
        f"{os.cpu_count()} cores, {info['arithmetic']['cpu']}, torch {info['versions']['torch']}, "
        f"{info['threads']} threads, {date.today().isoformat()}, "
        f"commit {commit[:10]}{'+' if commit.endswith('+') else ''}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
