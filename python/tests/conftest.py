"""Each test runs in a folder of its own, with nothing of pipeline in its environment."""

from pathlib import Path

import pytest

VARIABLES = ("PIPELINE_TASK_FILE", "PIPELINE_EVENTS", "PIPELINE_CHECKPOINT", "SOURCE_DATE_EPOCH", "PYTHONHASHSEED", "TZ")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path
