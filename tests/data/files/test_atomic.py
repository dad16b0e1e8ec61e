"""Files written whole or not at all; their damage is tested in tests/reliability."""

from pathlib import Path

import pytest

from crl.data.files.atomic import write_json


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail(self: Path, other: Path) -> None:
        raise OSError("disk")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="disk"):
            write_json(target, {"new": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"
