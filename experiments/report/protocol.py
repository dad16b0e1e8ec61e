"""The protocol of a report: what every number was made with, one block per configuration."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from crl.experiments.report.configurations import SeedGroup
from crl.experiments.report.report_data import ReportData
from crl.experiments.report.table_formats import Row, Table
from crl.experiments.storage.results import Run
from crl.experiments.storage.subjects import result_options

# The options that a block shows first; it lists all of them below.
_IMPORTANT = (
    "encoder.name",
    "objective.name",
    "objective.loss",
    "objective.block_size",
    "objective.negatives",
    "objective.negative_source",
    "training.steps",
    "training.batch_size",
    "optimizer.name",
    "optimizer.lr",
)


def protocol(report_data: ReportData, commands: Mapping[str, object]) -> list[dict[str, Any]]:
    """Return the block of every configuration, as the page's template takes it.

    ``commands``: what gives the runs of a configuration again.
    """
    return [
        _block(report_data, name, group) | {"command": str(commands[name])}
        for name, group in report_data.configurations.items()
    ]


def _block(report_data: ReportData, name: str, group: SeedGroup) -> dict[str, Any]:
    first = group.runs[0]
    options = result_options(first.config)
    dataset = first.result["dataset"]
    head, rows = _seeds_table(group)
    return {
        "name": name,
        "title": report_data.descriptions[name],
        "important": {
            key.removeprefix("objective.") if key.endswith("_source") else key: options[key]
            for key in _IMPORTANT
            if key in options
        },
        "options": " ".join(f"{key}={value}" for key, value in options.items()),
        "data": (
            f"{first.subject}: {dataset.get('classes')} classes, "
            f"{dataset.get('train_points')} training and {dataset.get('test_points')} test points"
        ),
        "head": head,
        "rows": rows,
        "runs": [_run(run, report_data) for run in group.runs],
    }


def commands_table(report_data: ReportData, commands: Mapping[str, object]) -> Table:
    """Return the command of every configuration."""
    rows = (
        Row((report_data.descriptions[name], str(command)), (name,))
        for name, command in commands.items()
    )
    note = "What gives the runs of each configuration again; options without effect are left out."
    return Table("commands", "Commands", note, ("configuration", "command"), tuple(rows))


def _run(run: Run, report_data: ReportData) -> dict[str, Any]:
    environment = run.result.get("environment", {})
    versions = environment.get("versions", {})
    return {
        "seed": run.seed,
        "folder": report_data.printed(run.path),
        "command": shlex.join(map(str, environment.get("command", ["unknown"]))),
        "seconds": run.result.get("timing", {}).get("train_seconds"),
        "fingerprint": run.result["dataset"].get("fingerprint", "unknown"),
        "commit": _commit(environment),
        "device": _device(environment),
        "warnings": [warning["message"] for warning in run.warnings],
        "versions": ", ".join(f"{package} {version}" for package, version in versions.items()),
    }


def _seeds_table(group: SeedGroup) -> tuple[list[str], list[list[str]]]:
    """Return (head, rows): every test accuracy of every seed in %, and the dev losses."""
    names = dict.fromkeys(name for run in group.runs for name in run.metrics)

    def values(metric: str, scale: float, digits: int) -> list[str]:
        return [
            f"{scale * run.metrics[metric]:.{digits}f}" if metric in run.metrics else "–"
            for run in group.runs
        ]

    rows = [
        [name.removeprefix("test."), *values(name, 100, 2)]
        for name in names
        if name.startswith("test.") and not name.endswith(".std")
    ]
    rows.append(["dev loss", *values("dev.loss", 1, 4)])
    return ["accuracy, %", *(f"seed {run.seed}" for run in group.runs)], rows


def setup_line(report_data: ReportData) -> str:
    """Return number, versions, commits and devices of the runs in one line."""
    runs = [run for group in report_data.configurations.values() for run in group.runs]
    environments = [run.result.get("environment", {}) for run in runs]
    versions = (
        " ".join(
            f"{package} {version}"
            for package in ("crl", "torch")
            if (version := environment.get("versions", {}).get(package))
        )
        for environment in environments
    )
    devices = map(_device, environments)
    return (
        f"{_counted(len(runs), 'run')} of "
        f"{_counted(len(report_data.configurations), 'configuration')}; {_distinct(versions)}; "
        f"commit {_distinct(map(_commit, environments))}; {_distinct(devices)}"
    )


def _device(environment: dict[str, Any]) -> str:
    """The device, and the precision if it is not float32."""
    device = str(environment.get("device", "unknown device"))
    precision = environment.get("precision", "float32")
    return device if precision == "float32" else f"{device}, {precision}"


def _commit(environment: dict[str, Any]) -> str:
    commit = str(environment.get("commit") or "unknown")
    return commit[:10] + (" with uncommitted changes" if commit.endswith("+") else "")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count > 1)}"


def _distinct(values: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(values))
