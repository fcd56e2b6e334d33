"""The folder in which a program keeps what it needs to go on after a stop."""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Iterator, NoReturn, Optional

from ._place import is_task, local_folder, script, variable

#: The exit code that says: the checkpoint is of no use, start me anew.
START_ANEW = 75


class Checkpoint:
    """A folder that survives stops, kills and retries of the same task, and goes when it is done."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r})"

    def has(self, name: str) -> bool:
        """Whether a file was saved under that name."""
        return (self.path / name).exists()

    @contextlib.contextmanager
    def saving(self, name: str) -> Iterator[Path]:
        """Gives the path to write to. The file takes its name when all is written: a kill leaves the one before it.

        ::

            with saved.saving("state.pt") as file:
                torch.save(state, file)
        """
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{os.getpid()}.{path.name}")
        try:
            yield draft
            with open(draft, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()

    def save_json(self, name: str, value: Any) -> None:
        """Saves a value that JSON can hold."""
        with self.saving(name) as path:
            path.write_text(json.dumps(value), encoding="utf-8")

    def load_json(self, name: str, default: Any = None) -> Any:
        """What was saved under that name; `default` where nothing was."""
        path = self.path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default

    def start_anew(self, why: str) -> NoReturn:
        """Ends the program and asks pipeline to empty the folder and start it again, for what it found is of no use."""
        print(why, flush=True)
        if variable("PIPELINE_CHECKPOINT") is None:
            print(f"delete {self.path} to begin anew", file=sys.stderr)
        sys.stdout.flush()
        raise SystemExit(START_ANEW)


_local: Optional[Path] = None


def checkpoint() -> Checkpoint:
    """The folder of $PIPELINE_CHECKPOINT; one in pipeline-local/ where the program runs by itself."""
    global _local
    given = variable("PIPELINE_CHECKPOINT")
    if given is not None:
        return Checkpoint(Path(given))
    if is_task():
        raise RuntimeError(
            f"{script().name} wants a checkpoint, and its stage keeps none: add `checkpoint: true` to it in pipeline.yaml"
        )
    path = local_folder() / "checkpoint"
    path.mkdir(parents=True, exist_ok=True)
    if _local != path and any(path.iterdir()):
        print(f"goes on from {path}: delete it to begin anew", file=sys.stderr)
    _local = path
    return Checkpoint(path)
