"""The inputs and outputs of a task, as paths."""

import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple

from ._place import is_task, local_folder, variable

#: How pipeline calls the file of an input that says nothing else, by its kind.
ENDINGS = (".json", ".safetensors", ".txt", ".bin")
INDEX = "index.json"
HINT = "`task-file: true` of the stage tells the program where its files are"


class Item(NamedTuple):
    """One item of a list: what a task of another stage gave."""

    task: str
    #: The labels of that task, by axis.
    at: Dict[str, Any]
    path: Path

    def json(self) -> Any:
        """The JSON that it holds."""
        return json.loads(self.path.read_text(encoding="utf-8"))


class MissingItem(NamedTuple):
    """A task that gave no output, of an input that is `partial`."""

    task: str
    at: Dict[str, Any]
    kind: str
    message: str


class FileError(KeyError, AttributeError):
    """An input or output that is not there."""

    def __str__(self) -> str:
        return str(self.args[0])


def _told(what: str) -> Dict[str, Any]:
    """What $PIPELINE_TASK_FILE tells of inputs or outputs; nothing where there is none."""
    path = variable("PIPELINE_TASK_FILE")
    if path is None:
        return {}
    told: Dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))[what]
    return told


def _known(told: Dict[str, Any]) -> str:
    return ", ".join(sorted(told)) or "none"


class Inputs:
    """Inputs by name: `inputs["points"]` or `inputs.points` is the path of a file, or of a list's folder."""

    def __getitem__(self, name: str) -> Path:
        found = self._find(name)
        if isinstance(found, list):
            if len(found) == 1:
                return Path(str(found[0]))
            raise FileError(f"input {name!r} has {len(found)} files: inputs.files({name!r})")
        return Path(str(found))

    def __getattr__(self, name: str) -> Path:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __contains__(self, name: object) -> bool:
        try:
            self._find(str(name))
        except FileError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(_told("inputs")))

    def files(self, name: str) -> List[Path]:
        """All files of an input: of a list its items, of a pattern what fits it, otherwise the one."""
        found = self._find(name)
        if isinstance(found, list):
            return [Path(str(path)) for path in found]
        if (Path(found) / INDEX).is_file():
            return [item.path for item in self.list(name)]
        return [Path(found)]

    def list(self, name: str) -> List[Item]:
        """The items of a list, in the order of the matrix."""
        folder = self[name]
        return [
            Item(item["task"], item["at"], folder / item["file"])
            for item in self._index(name, folder)
            if "file" in item
        ]

    def missing(self, name: str) -> List[MissingItem]:
        """Of a `partial` list: the tasks that gave no output, and why."""
        return [
            MissingItem(item["task"], item["at"], item["missing"]["kind"], item["missing"]["message"])
            for item in self._index(name, self[name])
            if "missing" in item
        ]

    def _index(self, name: str, folder: Path) -> Any:
        path = folder / INDEX
        if not path.is_file():
            raise FileError(f"input {name!r} is no list of other tasks' outputs: it is {folder}")
        return json.loads(path.read_text(encoding="utf-8"))

    def _find(self, name: str) -> Any:
        told = _told("inputs")
        if name in told:
            return told[name]
        if told:
            raise FileError(f"the stage has no input {name!r}: it has {_known(told)}")
        tried = [name, *(name + ending for ending in ENDINGS)]
        for path in tried:
            if os.path.exists(path):
                return path
        raise FileError(f"there is no input {name!r}: none of {', '.join(tried)} is in {os.getcwd()}. {HINT}")


class Outputs:
    """Where outputs go, by name: `outputs["model"]` or `outputs.model`, or by file: `outputs["model.json"]`."""

    def __getitem__(self, name: str) -> Path:
        path = self._find(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def __getattr__(self, name: str) -> Path:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(_told("outputs")))

    def _find(self, name: str) -> Path:
        if not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise FileError(f"{name!r} is no output: name one, or a file within the folder")
        told = _told("outputs")
        if name in told:
            return Path(told[name])
        if name in told.values():
            return Path(name)
        if told:
            raise FileError(f"the stage has no output {name!r}: it has {_known(told)}")
        if not is_task():
            return local_folder() / "outputs" / name
        if "." in name:
            return Path(name)
        raise FileError(f"which file the output {name!r} is cannot be told: name the file, as in 'model.json'. {HINT}")


inputs = Inputs()
outputs = Outputs()
