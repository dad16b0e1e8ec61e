"""Whether a process works on a run."""

from pathlib import Path

from crl.experiments.storage.lock import is_locked, run_lock


def test_a_lock_is_seen_and_looking_leaves_no_trace(tmp_path: Path) -> None:
    assert not is_locked(tmp_path) and not list(tmp_path.iterdir())
    with run_lock(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    with run_lock(tmp_path).acquire(timeout=0):
        assert is_locked(tmp_path)
