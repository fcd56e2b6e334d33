"""Finds and runs the command line of pipeline."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple


class StudyError(Exception):
    """What pipeline refused, in its words."""


def find_command(folder: Path) -> List[str]:
    """The words that start pipeline: $PIPELINE_BIN, what the study's folder or one above it has installed, or PATH."""
    given = os.environ.get("PIPELINE_BIN")
    if given:
        path = shutil.which(given) or given
        if not os.path.isfile(path):
            raise StudyError(f"PIPELINE_BIN names {given}, which is not there")
        return ["node", path] if path.endswith((".cjs", ".mjs", ".js")) else [path]
    for parent in (folder, *folder.parents):
        local = parent / "node_modules" / ".bin" / "pipeline"
        if local.exists():
            return [str(local)]
    found = shutil.which("pipeline")
    if found is not None:
        return [found]
    raise StudyError(
        f"pipeline is not installed in {folder} and not on PATH: npm install @profiled-sparse/pipeline, "
        "or set PIPELINE_BIN to its program"
    )


def ask(command: Sequence[str], folder: Path, words: Sequence[str]) -> Tuple[Any, str]:
    """Runs a command with --json. @returns what it printed, and what it said on stderr."""
    environment: Mapping[str, str] = {**os.environ, "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            [*command, *words],
            cwd=str(folder),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
    except OSError as error:
        raise StudyError(f"{command[0]} cannot be started: {error.strerror}") from error
    said = done.stderr.decode("utf-8", "replace").strip()
    text = done.stdout.decode("utf-8")
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if done.returncode != 0:
        raise StudyError(_why(told) or said or text.strip() or f"{command[0]} ended with {done.returncode}")
    if told is None:
        raise StudyError(f"{' '.join(command)} gave no JSON: {text[:200]!r}. Is it another program of that name?")
    return told, said


def _why(told: Any) -> str:
    """The diagnostics of a refusal, a line each."""
    if not isinstance(told, dict) or not isinstance(told.get("diagnostics"), list):
        return ""
    return "\n".join(map(_diagnostic, told["diagnostics"]))


def _diagnostic(one: Dict[str, Any]) -> str:
    place = f"{one['file']}:{one['line']}: " if "file" in one and "line" in one else ""
    hint = f" ({one['hint']})" if one.get("hint") else ""
    return f"{place}{one.get('message', '')}{hint}"
