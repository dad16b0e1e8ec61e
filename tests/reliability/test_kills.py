"""A run that is killed at any moment and started again gives the numbers of an undisturbed one."""

import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from processes import ForkServer, Undisturbed, same

from crl.experiments.storage.results import read_run

SEED = 20190609
KINDS = ("synced", "before renamed", "after renamed")


def phase(run: Path) -> str:
    """Return where a run was when it was killed; its files tell."""
    if (run / "result.json").exists():
        return "complete"
    if not (run / "checkpoint.pt").exists():
        return "training began" if (run / "config.yaml").exists() else "preparing"
    return (
        "evaluating" if len((run / "metrics.jsonl").read_text().splitlines()) == 6 else "training"
    )


def kill_at_random(
    crl: ForkServer, wanted: Undisturbed, place: Path, chance: random.Random
) -> list[str]:
    """Kill a command once or several times, then let it end; return where each kill hit.

    The command has a cache of its own.
    """
    command, cache = [*wanted.command, f"run_dir={place}/run"], place / "cache"
    hits = []
    while not hits or chance.random() < 0.3:
        process = crl.start(*command, cache=cache)
        seconds = chance.uniform(0, wanted.seconds / 2)
        if chance.random() < 0.7:  # training and evaluation are short beside what comes before
            begun, seconds = time.monotonic(), seconds / 4
            while (
                not (place / "run" / "environment.json").exists() and time.monotonic() < begun + 60
            ):
                time.sleep(0.001)
        process.kill_after(seconds)
        hits.append(phase(place / "run"))
    ended = crl.run(*command, cache=cache)
    assert ended.code == 0, (hits, ended.text)
    assert same(place / "run", wanted), hits
    again = crl.run(*command, cache=cache)
    assert again.code == 0 and "complete already" in again.text
    assert not list(cache.rglob("*.tmp"))
    shutil.rmtree(place)
    return hits


@pytest.mark.parametrize("kind", ["images", "texts"])
def test_killed_at_random_moments(
    kind: str, crl: ForkServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    wanted = request.getfixturevalue(kind)
    chance = random.Random(f"{SEED} {kind}")
    hits = [
        hit
        for number in range(2)
        for hit in kill_at_random(crl, wanted, tmp_path / str(number), chance)
    ]
    assert set(hits) - {"complete"}, hits  # a kill that comes too late says nothing


@pytest.mark.parametrize("kind", KINDS)
def test_killed_while_files_are_written(
    kind: str, crl: ForkServer, images: Undisturbed, tmp_path: Path
) -> None:
    """Every write has a number: here some of them, in the long suite all."""
    chance = random.Random(f"{SEED} {kind}")
    for number in chance.sample(range(1, 12), 1):
        assert _killed_at(crl, images, tmp_path / str(number), kind, number)


def _killed_at(crl: ForkServer, wanted: Undisturbed, place: Path, kind: str, number: int) -> bool:
    """Kill a command at a write, then let it end; return False if it has fewer writes."""
    command, cache = [*wanted.command, f"run_dir={place}/run"], place / "cache"
    killed = crl.run(*command, cache=cache, die_at=(kind, number))
    ended = crl.run(*command, cache=cache)
    assert ended.code == 0, (kind, number, ended.text)
    assert same(place / "run", wanted), (kind, number)
    shutil.rmtree(place)
    return killed.code == -9


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_force_killed_while_it_replaces_a_complete_run(
    number: int, crl: ForkServer, texts: Undisturbed, tmp_path: Path
) -> None:
    """The complete run is there all the time: in its place, or in replaced/."""
    run, other = tmp_path / "run", "optimizer.lr=0.5"
    shutil.copytree(texts.folder, run)
    command = [*texts.command, other, "force=true", f"run_dir={run}"]
    killed = crl.run(*command, cache=texts.cache, die_at=("before renamed", number))
    assert killed.code == -9
    assert same_numbers(run, texts) or same_numbers(run / "replaced", texts)
    ended = crl.run(*command, cache=texts.cache)
    assert ended.code == 0, ended.text
    assert not (run / "replaced").exists() and not same_numbers(run, texts)


def same_numbers(run: Path, wanted: Undisturbed) -> bool:
    found = read_run(run)
    return found is not None and found.metrics == wanted.metrics


@pytest.mark.slow
def test_hundreds_of_kills(
    crl: ForkServer, images: Undisturbed, texts: Undisturbed, tmp_path: Path
) -> None:
    chance, hits, started = random.Random(SEED), Counter[str](), time.monotonic()
    number = 0
    while hits.total() - hits["complete"] < 200:  # a kill that comes too late counts for nothing
        number += 1
        hits.update(
            kill_at_random(crl, chance.choice([images, texts]), tmp_path / str(number), chance)
        )
    seconds, counted = time.monotonic() - started, hits.total() - hits["complete"]
    print(
        f"\n{counted} kills, seed {SEED}, {number} runs, {seconds:.0f} s: {dict(hits)}; "
        "all equal the undisturbed run"
    )
    assert {"preparing", "training", "evaluating"} <= set(hits)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_write(
    kind: str, crl: ForkServer, images: Undisturbed, tmp_path: Path
) -> None:
    number = 1
    while _killed_at(crl, images, tmp_path / str(number), kind, number):
        number += 1
    print(f"\nkilled at each of {number - 1} times that a file was {kind}")
    assert number > 10
