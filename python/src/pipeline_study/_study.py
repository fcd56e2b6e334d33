"""A study's results, for notebooks. It needs the pipeline program, and neither the study's packages nor its environment."""

import importlib
import json
import os
import shutil
import tempfile
import warnings
import weakref
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ._cli import StudyError, ask, find_command
from ._tensors import read_tensors

__all__ = ["Study", "StudyError", "StudyWarning"]

Words = Union[str, Sequence[str]]


class StudyWarning(UserWarning):
    """What is to be known of results: some are out of date, or not made yet."""


class Study:
    """The study in a folder: what its pipeline.yaml describes, as it was made last.

    ``preset`` and ``set`` choose params as on the command line; ``cache`` is another store than the folder's own.
    """

    def __init__(
        self,
        folder: Union[str, "os.PathLike[str]"] = ".",
        *,
        preset: Words = (),
        set: Optional[Mapping[str, Any]] = None,
        params: Words = (),
        file: Optional[str] = None,
        cache: Optional[Union[str, "os.PathLike[str]"]] = None,
    ) -> None:
        self.folder = Path(folder).resolve()
        if not self.folder.is_dir():
            raise StudyError(f"there is no folder {self.folder}")
        self._command = find_command(self.folder)
        self._options: List[str] = ["--json"]
        for flag, words in (("--preset", preset), ("--params", params)):
            for word in _listed(words):
                self._options += [flag, word]
        for path, value in (set or {}).items():
            self._options += ["--set", f"{path}={value if isinstance(value, str) else json.dumps(value)}"]
        if file is not None:
            self._options += ["--file", file]
        if cache is not None:
            self._options += ["--cache", str(Path(cache).resolve())]
        self._files: Optional[Path] = None

    def __repr__(self) -> str:
        return f"Study({str(self.folder)!r})"

    def metrics(
        self,
        stage: Optional[str] = None,
        *,
        where: Words = (),
        columns: Words = (),
        sort: Words = (),
        group_by: Words = (),
        pivot: Optional[str] = None,
        top: Optional[int] = None,
        at: Union[str, int, None] = None,
        run: Optional[str] = None,
        frame: bool = False,
    ) -> Any:
        """The numbers of a stage, a row for each task, as a list of dicts; with ``frame=True`` a pandas DataFrame.

        ``stage`` may be ``'train:metrics'`` or ``'train[rate=0.1]'``; without it the rows of all stages come, with ``stage``.
        The options are those of `pipeline metrics`.
        """
        words = ["metrics", *self._options]
        for condition in _listed(where):
            words += ["--where", condition]
        for flag, names in (("--columns", columns), ("--sort", sort), ("--group-by", group_by)):
            if names:
                # One word: a name to sort by may begin with a hyphen.
                words.append(f"{flag}={','.join(_listed(names))}")
        for flag, value in (("--pivot", pivot), ("--top", top), ("--at", at), ("--run", run)):
            if value is not None:
                words.append(f"{flag}={value}")
        told = self._ask(words, [] if stage is None else [stage])
        rows: List[Dict[str, Any]] = []
        for table in told["tables"]:
            for note in table.get("notes", []):
                warnings.warn(f"{table['stage']}: {note}", StudyWarning, stacklevel=2)
            for row in table["rows"]:
                rows.append(row if stage is not None else {"stage": table["stage"], **row})
        return _frame_of(rows) if frame else rows

    def load(self, output: str) -> Any:
        """What an output holds: ``load('train/0/0.1:model')``.

        JSON as it reads, text as str, tensors as NumPy arrays by name (one array for ``TASK:output/tensor``), and
        everything else as the path of a file or folder, which is there while this object is.
        """
        target, part = _split(output)
        found = self._export(target)
        if len(found) != 1:
            raise StudyError(f"`{target}` names {len(found)} outputs: load_all({target!r}) reads all of them")
        (entry,) = found
        return self._read(entry, part)

    def load_all(self, outputs: str) -> Dict[str, Any]:
        """The same for all tasks of a stage or a selection, by task: ``load_all('train[rate=0.1]:metrics')``."""
        target, part = _split(outputs)
        return {str(entry["task"]): self._read(entry, part) for entry in self._export(target)}

    def path(self, output: str) -> Path:
        """A copy of an output as a file, whatever its kind: tensors as safetensors. It is there while this object is."""
        target, part = _split(output)
        if part is not None:
            raise StudyError(f"`{output}` names a tensor: load({output!r}) reads it, and path({target!r}) is the whole file")
        found = self._export(target)
        if len(found) != 1:
            raise StudyError(f"`{target}` names {len(found)} outputs: name one")
        return Path(found[0]["path"])

    def outputs(self, task: str) -> Dict[str, Dict[str, Any]]:
        """The outputs of a task: kind, bytes and digest by name."""
        told: Dict[str, Dict[str, Any]] = self._ask(["show", *self._options], [task])["outputs"]
        return told

    def why(self, task: str) -> Dict[str, Any]:
        """Why a task would run, or who made it, when and at what cost: `pipeline why --json`."""
        told: Dict[str, Any] = self._ask(["why", *self._options], [task])
        return told

    def tasks(self, target: Optional[str] = None) -> List[str]:
        """The names of the tasks of the study, or of a stage or selection and what they need, in order."""
        told = self._ask(["graph", "--tasks", *self._options], [] if target is None else [target])
        return [str(task["id"]) for task in told["nodes"]]

    def _ask(self, words: Sequence[str], targets: Sequence[str]) -> Any:
        told, said = ask(self._command, self.folder, [*words, "--", *targets])
        for line in said.splitlines():
            warnings.warn(line, StudyWarning, stacklevel=3)
        return told

    def _export(self, target: str) -> List[Dict[str, Any]]:
        """Writes outputs into a folder of this object. Each call has one of its own: nothing is read that is out of date."""
        if ":" not in target:
            hint = ", ".join(f"{target}:{name}" for name in self.outputs(target)) if "/" in target or "[" in target else "TASK:OUTPUT"
            raise StudyError(f"`{target}` names no output: {hint}")
        folder = Path(tempfile.mkdtemp(dir=str(self._folder())))
        told = self._ask(["export", *self._options], [target, f"{folder}{os.sep}"])
        return [{**entry, "path": str(folder / entry["file"])} for entry in told["files"]]

    def _folder(self) -> Path:
        if self._files is None:
            self._files = Path(tempfile.mkdtemp(prefix="pipeline-study-"))
            weakref.finalize(self, shutil.rmtree, str(self._files), ignore_errors=True)
        return self._files

    def _read(self, entry: Dict[str, Any], part: Optional[str]) -> Any:
        path, kind = Path(entry["path"]), entry["kind"]
        if part is not None and kind != "tensors":
            raise StudyError(f"{entry['task']}:{entry['output']} is {kind}: only tensors have parts")
        if kind == "json":
            return json.loads(path.read_text(encoding="utf-8"))
        if kind == "text":
            return path.read_bytes().decode("utf-8")
        if kind != "tensors":
            return path
        tensors = read_tensors(path)
        if part is None or part in tensors:
            return tensors if part is None else tensors[part]
        within = {name: tensor for name, tensor in tensors.items() if name.startswith(f"{part}.")}
        if not within:
            known = ", ".join(list(tensors)[:8])
            raise StudyError(f"no tensor of {entry['task']}:{entry['output']} is called {part}: there are {known}")
        return within


def _listed(words: Words) -> List[str]:
    return [words] if isinstance(words, str) else [str(word) for word in words]


def _split(output: str) -> Tuple[str, Optional[str]]:
    """`TASK:output/tensor` → the output, and the tensor where one is named."""
    target, colon, rest = output.partition(":")
    name, slash, part = rest.partition("/")
    return f"{target}{colon}{name}", part if slash else None


def _frame_of(rows: List[Dict[str, Any]]) -> Any:
    try:
        pandas: Any = importlib.import_module("pandas")
    except ImportError as error:
        raise ImportError("frame=True gives a pandas DataFrame: pip install pandas") from error
    return pandas.DataFrame.from_records(rows)
