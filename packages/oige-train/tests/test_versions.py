"""What is said of packages whose versions differ from those of a checkpoint."""

import pytest
from oige_train import versions


def test_versions_that_differ_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"python": "3.11.7", "mujoco": "4.1", "oige-core": "0.2.0", "oige-train": "0.1.0", "torch": "2.13"}
    monkeypatch.setattr(versions, "installed_versions", lambda: now)
    assert versions.note_on_versions(now) == []
    assert versions.note_on_versions({}) == [], "of checkpoints without versions"
    then = {"python": "3.10.1", "mujoco": "4.0", "oige-core": "0.1.0", "oige-tasks-gone": "1.0", "torch": "2.7"}
    assert versions.note_on_versions(then) == [
        "the checkpoint was written with mujoco 4.0 (now 4.1), oige-core 0.1.0 (now 0.2.0); results may differ"
    ]
