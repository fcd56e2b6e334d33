"""A study's results as a notebook reads them: of a real study, by the real program."""

import json
import os
import struct
import subprocess
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, Sequence

import pytest

from pipeline_study import Study, StudyError, StudyWarning
from pipeline_study._tensors import TensorError, read_tensors

PROGRAM = Path(os.environ.get("PIPELINE_BIN") or Path(__file__).parents[2] / "dist" / "cli.cjs")

STUDY = """
params: { rates: [0.1, 0.2], bias: 1 }
stages:
  train:
    command: [python3, train.py]
    matrix: { rate: $rates }
    params: { rate: $rate, bias: $bias }
    inputs: { script: { file: train.py } }
    outputs: { metrics: metrics.json, model: model.safetensors, note: note.txt, raw: raw.bin }
"""

TRAIN = """
import json, struct
rate = json.load(open('params.json'))['rate']
json.dump({'loss': rate * 2, 'curve': [1, 0.5]}, open('metrics.json', 'w'))
open('note.txt', 'w').write('rate \u2248 %s\\n' % rate)
open('raw.bin', 'wb').write(b'\\x00\\xff')
header = {'w': {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}, 'b.0': {'dtype': 'I64', 'shape': [1], 'data_offsets': [8, 16]}}
text = json.dumps(header).encode()
open('model.safetensors', 'wb').write(struct.pack('<Q', len(text)) + text + struct.pack('<2f', rate, -1) + struct.pack('<q', 7))
"""

needs_program = pytest.mark.skipif(not PROGRAM.is_file(), reason="pipeline is not built: npm run build")


def make(folder: Path, words: Sequence[str] = ()) -> None:
    subprocess.run(["node", str(PROGRAM), "make", "--quiet", *words], cwd=str(folder), check=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "pipeline.yaml").write_text(STUDY)
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    make(folder)
    return folder


@pytest.fixture
def study(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    monkeypatch.setenv("PIPELINE_BIN", str(PROGRAM))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield Study(made)


@needs_program
class TestStudy:
    def test_metrics_are_a_row_for_each_task(self, study: Study) -> None:
        rows = study.metrics("train")
        assert [(row["task"], row["rate"], row["loss"]) for row in rows] == [
            ("train[0.1]", "0.1", 0.2),
            ("train[0.2]", "0.2", 0.4),
        ]
        assert study.metrics("train", where="loss<0.3", columns=["loss"])[0]["loss"] == 0.2
        assert study.metrics("train", sort="-loss")[0]["loss"] == 0.4
        assert study.metrics()[0]["stage"] == "train"

    def test_outputs_are_loaded_by_their_kind(self, study: Study, made: Path) -> None:
        assert study.load("train/0.1:metrics") == {"loss": 0.2, "curve": [1, 0.5]}
        assert study.load("train[0.1]:note") == "rate \u2248 0.1\n"
        assert study.load("train/0.1:raw").read_bytes() == b"\x00\xff"
        assert study.path("train/0.1:model").suffix == ".safetensors"
        assert study.load_all("train:note") == {f"train[{r}]": f"rate \u2248 {r}\n" for r in ("0.1", "0.2")}
        assert study.outputs("train/0.1")["model"]["kind"] == "tensors"
        assert study.tasks("train") == ["train[0.1]", "train[0.2]"]

    def test_tensors_become_arrays(self, study: Study) -> None:
        numpy = pytest.importorskip("numpy")
        model = study.load("train/0.1:model")
        assert (model["w"].dtype, model["b.0"].tolist()) == (numpy.float32, [7])
        assert study.load("train/0.1:model/w").tolist() == [numpy.float32(0.1), -1]
        assert list(study.load("train/0.1:model/b")) == ["b.0"]
        with pytest.raises(StudyError, match="no tensor of train.0.1.:model is called x: there are b.0, w"):
            study.load("train/0.1:model/x")

    def test_a_frame_needs_pandas(self, study: Study) -> None:
        pytest.importorskip("pandas")
        frame = study.metrics("train", frame=True)
        assert frame["loss"].tolist() == [0.2, 0.4]

    def test_why_tells_who_made_a_task(self, study: Study) -> None:
        why = study.why("train/0.1")
        assert (why["status"], "made" in why) == ("reuse", True)

    def test_results_that_are_out_of_date_come_with_a_warning(self, made: Path, study: Study) -> None:
        other = Study(made, set={"bias": 2})
        with pytest.warns(StudyWarning, match="out of date"):
            assert other.metrics("train")[0]["loss"] == 0.2
        assert other.why("train/0.1")["status"] == "run"
        with pytest.warns(StudyWarning, match="out of date"):
            assert other.load("train/0.1:metrics")["loss"] == 0.2

    @pytest.mark.parametrize(
        ("word", "why"),
        [
            ("train/0.3:metrics", "0.3"),
            ("train/0.1:metrix", "did you mean `metrics`"),
            ("train/0.1", "names no output: train/0.1:metrics, train/0.1:model"),
            ("train:note", "names 2 outputs: load_all"),
            ("train/0.1:note/x", "is text: only tensors have parts"),
            ("--help", "names no output"),
            ("--help:x", "no stage `--help`"),
        ],
    )
    def test_what_is_not_there_is_said_in_the_words_of_pipeline(self, study: Study, word: str, why: str) -> None:
        with pytest.raises(StudyError) as told:
            study.load(word)
        assert why in str(told.value)

    def test_files_go_with_the_object(self, made: Path, study: Study) -> None:
        other = Study(made)
        path = other.path("train/0.1:raw")
        assert path.exists()
        del other
        assert not path.exists()

    def test_another_program_of_that_name_is_told(self, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = made / "fake"
        fake.write_text("#!/bin/sh\necho hello\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PIPELINE_BIN", str(fake))
        with pytest.raises(StudyError, match="gave no JSON: 'hello"):
            Study(made).metrics()
        monkeypatch.setenv("PIPELINE_BIN", str(made / "none"))
        with pytest.raises(StudyError, match="PIPELINE_BIN names .*none, which is not there"):
            Study(made)
        monkeypatch.delenv("PIPELINE_BIN")
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(StudyError, match="npm install @profiled-sparse/pipeline"):
            Study(made)
        with pytest.raises(StudyError, match="there is no folder"):
            Study(made / "nowhere")

    @pytest.mark.skipif(not os.environ.get("FULL"), reason="a thousand tasks are made: FULL=1")
    def test_a_thousand_metrics_in_less_than_a_second(self, tmp_path: Path, study: Study) -> None:
        many = "command: [sh, -c, 'cp params.json metrics.json']\n    matrix: { seed: $seeds }\n    params: { seed: $seed }"
        (tmp_path / "pipeline.yaml").write_text(
            f"params: {{ seeds: {list(range(1000))} }}\nstages:\n  many:\n    {many}\n    outputs: {{ metrics: metrics.json }}\n"
        )
        make(tmp_path)
        results = Study(tmp_path)
        # The time that the program took, whatever else this machine does.
        began = os.times()
        rows = results.metrics("many")
        ended = os.times()
        seconds = ended.children_user + ended.children_system - began.children_user - began.children_system
        assert (len(rows), rows[-1]["metrics.seed"]) == (1000, 999)
        assert seconds < 1


class TestTensors:
    """Every type of the format, and files that are none."""

    @staticmethod
    def write(path: Path, header: Dict[str, Any], data: bytes) -> Path:
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)
        return path

    def test_small_floats_come_as_float32(self, folder: Path) -> None:
        numpy = pytest.importorskip("numpy")
        header = {
            "__metadata__": {"a": "b"},
            "bf": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
            "e4": {"dtype": "F8_E4M3", "shape": [2, 2], "data_offsets": [4, 8]},
            "e5": {"dtype": "F8_E5M2", "shape": [3], "data_offsets": [8, 11]},
            "none": {"dtype": "F64", "shape": [0], "data_offsets": [11, 11]},
            "one": {"dtype": "BOOL", "shape": [], "data_offsets": [11, 12]},
        }
        data = bytes([0x80, 0x3F, 0x00, 0xC0, 0x38, 0x7E, 0x01, 0xFF, 0x3C, 0x7C, 0x81, 0x01])
        read = read_tensors(self.write(folder / "t", header, data))
        assert read["bf"].tolist() == [1, -2]
        assert read["e4"].tolist()[0] == [1, 448] and read["e4"][1, 0] == 2**-9 and numpy.isnan(read["e4"][1, 1])
        assert read["e5"].tolist() == [1, float("inf"), -(2.0**-16)]
        assert (read["none"].shape, read["one"].shape, bool(read["one"])) == ((0,), (), True)
        assert {array.dtype for name, array in read.items() if name in ("bf", "e4", "e5")} == {numpy.dtype("f4")}

    def test_what_is_no_such_file_is_refused(self, folder: Path) -> None:
        pytest.importorskip("numpy")
        (folder / "x").write_bytes(b"\xff" * 16)
        with pytest.raises(TensorError, match="is no safetensors file"):
            read_tensors(folder / "x")
        outside = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
        with pytest.raises(TensorError, match="lies outside of the file"):
            read_tensors(self.write(folder / "y", outside, b"\0\0"))
        strange = {"w": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}}
        with pytest.raises(TensorError, match="is F4, which NumPy lacks"):
            read_tensors(self.write(folder / "z", strange, b"\0"))
