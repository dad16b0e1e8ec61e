"""Damaged files: the command still gives the same numbers, or it names the file and what to do."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from processes import ForkServer, Undisturbed, log_of, same

from crl.cli.main import main
from crl.data.files.atomic import DamagedFile, _Digesting, load_tensors, save_tensors
from crl.experiments.errors import ConfigError
from crl.experiments.storage.results import read_run

SEED = 20190609


def flipped(body: bytes, chance: random.Random) -> bytes:
    """Flip one bit."""
    place = chance.randrange(len(body))
    return body[:place] + bytes([body[place] ^ 1 << chance.randrange(8)]) + body[place + 1 :]


def cut(body: bytes, chance: random.Random) -> bytes:
    """Cut off the end."""
    return body[: chance.randrange(len(body))]


def zeroed(body: bytes, chance: random.Random) -> bytes:
    """Zero a block, as if it was never written."""
    place = chance.randrange(len(body))
    return body[:place] + bytes(len(body[place : place + 512])) + body[place + 512 :]


DAMAGE = (flipped, cut, zeroed)
Damage = Callable[[bytes, random.Random], bytes]


@pytest.fixture(scope="module")
def unfinished(
    crl: ForkServer, texts: Undisturbed, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a run that was killed in the middle."""
    run = tmp_path_factory.mktemp("unfinished") / "run"
    for number in range(1, 20):
        shutil.rmtree(run, ignore_errors=True)
        assert (
            crl.run(
                *texts.command, f"run_dir={run}", cache=texts.cache, die_at=("synced", 5 + number)
            ).code
            == -9
        )
        if (run / "checkpoint.pt").exists() and len(log_of(run)) == 3:
            return run
    pytest.fail("no kill hit the middle")


def damaged_copy(
    source: Path, name: str, damage: Damage, chance: random.Random, place: Path
) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place)
    body = (place / name).read_bytes()
    (place / name).write_bytes(damage(body, chance))
    return place


def answered(ended_code: int, text: str, file: Path) -> None:
    """Assert that the last line names the file and says what to do."""
    last = text.strip().splitlines()[-1]
    assert ended_code == 2, text
    assert last.startswith("crl: ") and str(file) in last and "delete" in last, last
    assert "Traceback" not in text


def goes_on(wanted: Undisturbed, run: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Start the command in a folder with a damaged file, do what it says, get the same numbers."""
    capsys.readouterr()
    code = main([*wanted.command, f"run_dir={run}"])
    text = capsys.readouterr().err
    answer = "went on" if code == 0 else "named"
    if (
        code == 2 and "force=true to replace it" in text
    ):  # an option of config.yaml is another one now
        assert file.name == "config.yaml" and str(run) in text and "config.yaml: " in text
        file.unlink()
    elif code != 0:
        answered(code, text, file)
        file.unlink()
        if "delete both" in text:
            (run / "result.json").unlink()
    assert main([*wanted.command, f"run_dir={run}"]) == 0
    assert same(run, wanted)
    return answer


def rounds(count: int, *names: str) -> list[tuple[str, Damage, int]]:
    """Every file in every way, ``count`` times; 0: every file once."""
    if count == 0:
        return [(name, DAMAGE[number % len(DAMAGE)], 0) for number, name in enumerate(names)]
    return [
        (name, damage, number) for name in names for damage in DAMAGE for number in range(count)
    ]


def check_unfinished(
    count: int,
    wanted: Undisturbed,
    unfinished: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> dict[str, int]:
    answers: dict[str, int] = {}
    for name, damage, number in rounds(
        count, "checkpoint.pt", "config.yaml", "metrics.jsonl", "environment.json"
    ):
        chance = random.Random(f"{SEED} {name} {damage.__name__} {number}")
        run = damaged_copy(unfinished, name, damage, chance, tmp_path / "run")
        key = f"{name} {goes_on(wanted, run, run / name, capsys)}"
        answers[key] = answers.get(key, 0) + 1
    return answers


def check_finished(
    count: int, wanted: Undisturbed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> dict[str, int]:
    """A complete result never changes silently; an undamaged file stays as it was."""
    answers: dict[str, int] = {}
    for name, damage, number in rounds(
        count, "result.json", "config.yaml", "metrics.jsonl", "checkpoint.pt"
    ):
        chance = random.Random(f"{SEED} {name} {damage.__name__} {number}")
        run = damaged_copy(wanted.folder, name, damage, chance, tmp_path / "run")
        capsys.readouterr()
        if name != "checkpoint.pt":  # which the report does not read
            code = main(["report", str(run), f"out={tmp_path}/report"])
            text = capsys.readouterr().err
            if code == 0:
                assert same(run, wanted)
            else:
                answered(code, text, run / name)
        code = main(["evaluate", str(run), "evaluation.ks=[3]"])
        text = capsys.readouterr().err
        if code != 0:
            answered(code, text, run / name)
        assert (
            name == "result.json"
            or (run / "result.json").read_bytes() == (wanted.folder / "result.json").read_bytes()
        )
        key = f"{name} {'went on' if code == 0 else 'named'}"
        answers[key] = answers.get(key, 0) + 1
        if code != 0 and name != "checkpoint.pt":
            goes_on(wanted, run, run / name, capsys)
    return answers


@pytest.fixture(autouse=True)
def _cache(texts: Undisturbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRL_DATA", str(texts.cache))


def test_an_unfinished_run(
    texts: Undisturbed, unfinished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = check_unfinished(0, texts, unfinished, tmp_path, capsys)
    assert "checkpoint.pt went on" not in answers and "metrics.jsonl named" not in answers


def test_a_finished_run(
    texts: Undisturbed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = check_finished(0, texts, tmp_path, capsys)
    assert {"config.yaml named", "checkpoint.pt named"} <= set(answers)


@pytest.mark.slow
def test_many_unfinished_and_finished_runs(
    texts: Undisturbed, unfinished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        check_unfinished(25, texts, unfinished, tmp_path, capsys),
        check_finished(25, texts, tmp_path, capsys),
    ]
    with capsys.disabled():
        print(f"\nseed {SEED}; unfinished: {found[0]}; finished: {found[1]}")


def refusal(run: Path) -> str | None:
    try:
        read_run(run)
    except ConfigError as error:
        return str(error)
    return None


def readers(count: int, wanted: Undisturbed, tmp_path: Path) -> int:
    """Whatever is damaged, the readers return the same as before or say that it is damaged."""
    before = read_run(wanted.folder)
    assert before is not None
    said = 0
    for name, damage, number in rounds(count, "result.json", "config.yaml", "metrics.jsonl"):
        chance = random.Random(f"{SEED} {name} {damage.__name__} {number} readers")
        run = damaged_copy(wanted.folder, name, damage, chance, tmp_path / "run")
        if (error := refusal(run)) is not None:
            assert str(run / name) in error and "delete" in error
            said += 1
        else:
            found = read_run(run)
            assert found is not None
            assert (found.config, found.result, found.curve()) == (
                before.config,
                before.result,
                before.curve(),
            )
    cache, *_ = sorted((wanted.cache / "prepared").glob("*.pt"))
    for source in (wanted.folder / "checkpoint.pt", cache):
        for _, damage, number in rounds(count, source.name):
            chance = random.Random(f"{SEED} {source.suffix} {damage.__name__} {number} readers")
            body = source.read_bytes()
            (tmp_path / "tensors.pt").write_bytes(changed := damage(body, chance))
            if changed != body:
                with pytest.raises(DamagedFile, match=r"tensors\.pt is damaged"):
                    load_tensors(tmp_path / "tensors.pt")
                said += 1
    return said


def test_readers_notice_what_they_read(texts: Undisturbed, tmp_path: Path) -> None:
    assert readers(15, texts, tmp_path) > 100


@pytest.mark.slow
def test_readers_notice_what_they_read_in_thousands(texts: Undisturbed, tmp_path: Path) -> None:
    print(
        f"\n{readers(700, texts, tmp_path)} of {5 * 3 * 700} damaged files were named, "
        "the others said the same as before"
    )


def test_a_damaged_cache_is_named_and_made_again(
    crl: ForkServer,
    texts: Undisturbed,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(texts.cache, tmp_path / "cache")
    monkeypatch.setenv("CRL_DATA", str(tmp_path / "cache"))
    for cache in (tmp_path / "cache" / "prepared").glob("*.pt"):  # the data, and the word vectors
        whole = cache.read_bytes()
        for damage in DAMAGE:
            cache.write_bytes(damage(whole, random.Random(f"{SEED} {damage.__name__}")))
            code = main([*texts.command, f"run_dir={tmp_path}/run"])
            answered(code, capsys.readouterr().err, cache)
            assert not (tmp_path / "run").exists()
        cache.unlink()
    assert main([*texts.command, f"run_dir={tmp_path}/run"]) == 0
    assert same(tmp_path / "run", texts)


def test_torch_reads_what_has_a_checksum(tmp_path: Path) -> None:
    value = {
        "weights": torch.randn(300, 70),
        "step": 3,
        "log": [{"step": 1, "loss": 0.5}],
        "none": None,
    }
    save_tensors(tmp_path / "file.pt", value)
    for found in (
        torch.load(tmp_path / "file.pt", weights_only=True),
        load_tensors(tmp_path / "file.pt"),
    ):
        assert torch.equal(found.pop("weights"), value["weights"])
        assert found == {name: value[name] for name in ("step", "log", "none")}


def test_writing_takes_no_second_copy_of_the_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = {"weights": torch.zeros(30_000_000)}  # 120 MB
    held, write = [resident_bytes()], _Digesting.write

    def measured(self: _Digesting, block: bytes) -> int:
        held.append(resident_bytes())
        return write(self, block)

    monkeypatch.setattr(_Digesting, "write", measured)
    save_tensors(tmp_path / "file.pt", value)
    assert len(held) > 3
    assert max(held) - held[0] < 30e6


def resident_bytes() -> int:
    """The memory of this process, now."""
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("no /proc")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
