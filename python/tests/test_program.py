"""What a program sees, as a task of pipeline and by itself."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest

import pipeline_study
from pipeline_study import _events, checkpoint, inputs, log, log_metrics, params, progress

SOURCES = str(Path(__file__).parent.parent / "src")


@pytest.fixture
def events(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIPELINE_EVENTS", str(folder / "events.jsonl"))
    monkeypatch.setattr(_events, "PAUSE_S", 0)
    return folder / "events.jsonl"


def lines(path: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def tell(folder: Path, monkeypatch: pytest.MonkeyPatch, **told: Any) -> None:
    (folder / "task.json").write_text(json.dumps({"inputs": {}, "outputs": {}, **told}))
    monkeypatch.setenv("PIPELINE_TASK_FILE", str(folder / "task.json"))


class TestParams:
    def test_come_from_the_file_and_keep_their_types(self, folder: Path) -> None:
        (folder / "params.json").write_text('{"rate": 0.1, "deep": {"n": 2}, "layers": [1, 2], "items": 3}')
        given = params(rate=9, epochs=3)
        assert given == {"rate": 0.1, "deep": {"n": 2}, "layers": [1, 2], "epochs": 3, "items": 3}
        assert (given.rate, given["epochs"], given["items"]) == (0.1, 3, 3)

    def test_that_are_not_there_are_named_with_those_that_are(self) -> None:
        with pytest.raises(KeyError, match="no param 'rote': params.json or params.NAME=VALUE. give rate"):
            params(rate=1)["rote"]
        with pytest.raises(AttributeError, match="no param 'rote'"):
            params(rate=1).rote
        assert not hasattr(params(), "rate")

    def test_must_be_an_object(self, folder: Path) -> None:
        (folder / "params.json").write_text("[1]")
        with pytest.raises(ValueError, match="must hold a JSON object"):
            params()


class TestInputs:
    def test_lie_where_the_task_file_says(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "runs").mkdir()
        index = [
            {"task": "train[1]", "at": {"rate": 1}, "file": "0.json"},
            {"task": "train[2]", "at": {"rate": 2}, "missing": {"kind": "failed", "message": "it burst"}},
        ]
        (folder / "runs" / "index.json").write_text(json.dumps(index))
        (folder / "runs" / "0.json").write_text('{"loss": 1}')
        tell(folder, monkeypatch, inputs={"runs": "runs/", "mask": "in/m.bin", "code": ["a.py", "b.py"], "one": ["a.py"]})
        assert inputs["mask"] == inputs.mask == Path("in/m.bin")
        assert inputs.files("code") == [Path("a.py"), Path("b.py")]
        assert inputs.one == Path("a.py")
        (item,) = inputs.list("runs")
        assert (item.task, item.at, item.path, item.json()) == ("train[1]", {"rate": 1}, Path("runs/0.json"), {"loss": 1})
        assert inputs.files("runs") == [Path("runs/0.json")]
        assert inputs.missing("runs")[0].message == "it burst"
        assert sorted(inputs) == ["code", "mask", "one", "runs"]
        assert "mask" in inputs and "other" not in inputs
        with pytest.raises(KeyError, match="no input 'other': it has code, mask, one, runs"):
            inputs["other"]
        with pytest.raises(KeyError, match="has 2 files"):
            inputs["code"]
        with pytest.raises(KeyError, match="is no list"):
            inputs.list("mask")

    def test_are_found_by_their_usual_names_without_one(self, folder: Path) -> None:
        (folder / "points.json").write_text("1")
        assert inputs.points == Path("points.json")
        assert inputs["points.json"] == Path("points.json")
        with pytest.raises(KeyError, match="none of mask, mask.json, .* `task-file: true`"):
            inputs["mask"]


class TestOutputs:
    def test_go_where_the_task_file_says(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tell(folder, monkeypatch, outputs={"model": "deep/m.pt", "table": "t.csv"})
        assert pipeline_study.outputs.model == pipeline_study.outputs["model"] == pipeline_study.outputs["deep/m.pt"] == Path("deep/m.pt")
        assert (folder / "deep").is_dir()
        assert list(pipeline_study.outputs) == ["model", "table"]
        with pytest.raises(KeyError, match="no output 'modle': it has model, table"):
            pipeline_study.outputs["modle"]

    def test_are_files_by_name_in_a_task_without_one(self, folder: Path, events: Path) -> None:
        assert pipeline_study.outputs["model.json"] == Path("model.json")
        with pytest.raises(KeyError, match="name the file, as in 'model.json'. `task-file: true`"):
            pipeline_study.outputs["model"]

    def test_go_to_a_local_folder_where_the_program_runs_by_itself(self, folder: Path) -> None:
        path = pipeline_study.outputs["model.json"]
        path.write_text("1")
        assert path.parts[0] == "pipeline-local" and path.parts[-2:] == ("outputs", "model.json")

    @pytest.mark.parametrize("name", ["", "../x", "/x", "a/../../x"])
    def test_never_leave_their_folder(self, name: str) -> None:
        with pytest.raises(KeyError, match="is no output"):
            pipeline_study.outputs[name]


class Scalar:
    """As NumPy and PyTorch have them."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value)

    def __index__(self) -> int:
        return int(self.value)


class TestEvents:
    def test_are_lines_of_json(self, events: Path) -> None:
        progress(1, 3, "epoch 1")
        progress(Scalar(3), 3)
        log_metrics(Scalar(0), {"val/loss": 0.5}, loss=Scalar(0.25), nan=float("nan"), inf=-float("inf"), ok=True)
        log("saved\nthe \u201cbest\u201d")
        assert lines(events) == [
            {"progress": [1, 3], "note": "epoch 1"},
            {"progress": [3, 3]},
            {"step": 0, "metrics": {"val/loss": 0.5, "loss": 0.25, "nan": None, "inf": None, "ok": 1}},
            {"log": "saved"},
            {"log": "the \u201cbest\u201d"},
        ]

    def test_of_progress_are_told_now_and_then_and_at_the_end(self, events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_events, "PAUSE_S", 1000)
        monkeypatch.setattr(_events._Told, "progress", float("-inf"))
        for done in range(1000):
            progress(done, 1000)
        progress(1000, 1000)
        assert lines(events) == [{"progress": [0, 1000]}, {"progress": [1000, 1000]}]

    def test_that_pipeline_would_refuse_are_refused_with_a_reason(self, events: Path) -> None:
        for bad in (-1, 0.5, "3", 2**60):
            with pytest.raises((TypeError, ValueError), match="step must be an integer"):
                log_metrics(bad, loss=1)
        with pytest.raises(TypeError, match="metric loss must be a number, not str"):
            log_metrics(0, loss="low")
        with pytest.raises(TypeError, match="names what was measured"):
            log_metrics(0)
        with pytest.raises(ValueError, match="cannot be called 'step'"):
            log_metrics(0, {"step": 1})
        with pytest.raises(ValueError, match="progress is a number from 0 on"):
            progress(-1, 3)
        with pytest.raises(TypeError, match="of must be a number"):
            progress(1, None)  # type: ignore[arg-type]
        assert not events.exists()

    def test_are_printed_where_nobody_reads_them(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_events, "PAUSE_S", 0)
        progress(3, 10, "epoch 3")
        log_metrics(3, loss=0.41234567)
        log("done")
        assert capsys.readouterr().out == "[3/10] epoch 3\nstep 3: loss 0.412346\ndone\n"


class TestCheckpoint:
    def test_is_the_folder_of_the_task(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "kept").mkdir()
        monkeypatch.setenv("PIPELINE_CHECKPOINT", str(folder / "kept"))
        saved = checkpoint()
        assert saved.load_json("state.json", {"epoch": 0}) == {"epoch": 0}
        saved.save_json("state.json", {"epoch": 1})
        assert saved.load_json("state.json") == {"epoch": 1}
        assert saved.has("state.json") and (saved / "state.json").is_file()
        assert [path.name for path in (folder / "kept").iterdir()] == ["state.json"]

    def test_keeps_what_it_had_when_a_save_fails(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PIPELINE_CHECKPOINT", str(folder))
        saved = checkpoint()
        saved.save_json("s.json", 1)
        with pytest.raises(RuntimeError), saved.saving("s.json") as path:
            path.write_text("half")
            raise RuntimeError
        assert saved.load_json("s.json") == 1
        assert [path.name for path in folder.iterdir()] == ["s.json"]

    def test_of_no_use_ends_with_75(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setenv("PIPELINE_CHECKPOINT", str(folder))
        with pytest.raises(SystemExit) as ended:
            checkpoint().start_anew("of another version")
        assert (ended.value.code, capsys.readouterr().out) == (75, "of another version\n")

    def test_is_refused_where_the_stage_keeps_none(self, events: Path) -> None:
        with pytest.raises(RuntimeError, match="add `checkpoint: true`"):
            checkpoint()


PROGRAM = """
from pipeline_study import checkpoint, log_metrics, outputs, params, progress
p = params(epochs=3, stop=9)
saved = checkpoint()
epoch = saved.load_json("state.json", 0)
print("begins at", epoch)
while epoch < p.epochs:
    epoch += 1
    progress(epoch, p.epochs)
    log_metrics(epoch, loss=1 / epoch)
    saved.save_json("state.json", epoch)
    if epoch == p.stop:
        raise SystemExit(1)
outputs["model.json"].write_text(str(epoch))
"""


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "train.py", *words],
        env={"PYTHONPATH": SOURCES, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        check=False,
    )


def test_a_program_runs_by_itself_and_goes_on_where_it_stopped(folder: Path) -> None:
    (folder / "train.py").write_text(PROGRAM)
    first = run()
    assert (first.returncode, first.stderr) == (0, "")
    assert "begins at 0" in first.stdout and "[3/3]" in first.stdout
    assert [path.read_text() for path in folder.glob("pipeline-local/train/*/outputs/model.json")] == ["3"]
    (folder / "params.json").write_text('{"stop": 2}')
    assert run().returncode == 1
    resumed = run()
    assert (resumed.returncode, "begins at 2" in resumed.stdout) == (0, True)
    assert "goes on from pipeline-local" in resumed.stderr
    # Another version of the script begins anew.
    (folder / "train.py").write_text(PROGRAM + "\n")
    assert "begins at 0" in run().stdout
