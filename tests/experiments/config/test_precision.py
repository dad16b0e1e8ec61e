"""``runtime.precision=auto`` is answered before a run has a name."""

from pathlib import Path

import pytest

from crl.experiments.config import precision
from crl.experiments.config.compose import compose_config, load_config, to_yaml
from crl.experiments.config.identity import run_name
from crl.experiments.config.messages import choices
from crl.experiments.config.own_files import OwnFiles
from crl.experiments.launch.run_spec import RunSpec

AUTO = ["runtime.precision=auto", "runtime.device=cpu"]


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the machine says what its CPU can do."""
    path = tmp_path / "cpuinfo"
    path.write_text("flags : fpu avx512f avx512_bf16 avx512_vnni\n")
    monkeypatch.setattr(precision, "_CPUINFO", path)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [("fpu avx512_bf16", "bf16"), ("amx_bf16 amx_int8", "bf16"), ("fpu avx512f", "float32")],
)
def test_it_is_bf16_where_the_cpu_multiplies_bf16(flags: Path, text: str, expected: str) -> None:
    flags.write_text(f"flags : {text}\n")
    assert compose_config(AUTO).runtime.precision == expected


def test_it_is_float32_where_the_machine_does_not_say(flags: Path) -> None:
    flags.unlink()
    assert compose_config(AUTO).runtime.precision == "float32"


def test_a_run_has_the_name_of_its_precision(flags: Path) -> None:
    asked, bf16, float32 = (
        compose_config(["runtime.device=cpu", *options])
        for options in (["runtime.precision=auto"], ["runtime.precision=bf16"], [])
    )
    assert run_name(asked) == run_name(bf16) != run_name(float32)


@pytest.mark.parametrize("given", [AUTO, ["experiment=fast"], ["runtime={precision: auto}"]])
def test_a_run_that_starts_on_another_machine_keeps_what_was_chosen(
    given: list[str], flags: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own/experiment/fast.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("# @package _global_\nruntime: {precision: auto}\n")
    flags.write_text("flags : amx_bf16\n")
    given = [*OwnFiles((own.parents[1],)).overrides(), *given, "runtime.device=cpu"]
    run = RunSpec.of(compose_config(given), given)
    flags.write_text("flags : fpu\n")
    assert compose_config(run.overrides).runtime.precision == "bf16"


def test_a_stored_run_is_scored_with_the_precision_of_this_machine(
    flags: Path, tmp_path: Path
) -> None:
    stored = tmp_path / "config.yaml"
    stored.write_text(to_yaml(compose_config(["runtime.device=cpu"])))
    assert load_config(stored, AUTO).runtime.precision == "bf16"


def test_only_the_glyphs_of_reproduce_leave_it_to_the_machine(flags: Path) -> None:
    """Others that build on them keep their names and the numbers that were measured."""
    chosen = {
        name: compose_config([f"experiment={name}", "runtime.device=cpu"])
        for name in choices("experiment")
        if "glyphs" in name
    }
    in_bf16 = [name for name, config in chosen.items() if config.runtime.precision == "bf16"]
    assert in_bf16 == ["quick_glyphs"]
    assert run_name(chosen["imbalance_glyphs"]) == "glyphs-small_cnn-contrastive-17048c1e"
