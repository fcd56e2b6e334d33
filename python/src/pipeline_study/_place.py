"""Where a program runs: as a task of pipeline, or by itself."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, Optional

PARAMS_FILE = "params.json"
#: Below this folder, beside where the program was started, lies what pipeline would otherwise keep.
LOCAL_FOLDER = "pipeline-local"

#: The values that `params()` gave last: they tell local folders apart.
_params: Dict[str, Any] = {}


def variable(name: str) -> Optional[str]:
    """A variable of the environment; None where it is not set or empty."""
    return os.environ.get(name) or None


def is_task() -> bool:
    """Whether pipeline runs this program: every task has params.json and this environment."""
    names = ("PIPELINE_TASK_FILE", "PIPELINE_EVENTS", "PIPELINE_CHECKPOINT")
    if any(map(variable, names)):
        return True
    fixed = {"SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0", "TZ": "UTC"}
    return Path(PARAMS_FILE).is_file() and all(variable(name) == value for name, value in fixed.items())


def remember_params(values: Dict[str, Any]) -> None:
    """Notes the values of the params, so that other params have another local folder."""
    _params.clear()
    _params.update(values)


def script() -> Path:
    """The program that runs."""
    main = sys.modules.get("__main__")
    return Path(getattr(main, "__file__", None) or sys.argv[0] or "notebook")


def local_folder() -> Path:
    """The folder of a program that runs by itself: another one for each version of the script, arguments and params."""
    path = script()
    try:
        code = path.read_bytes()
    except OSError:
        code = b""
    told = json.dumps([sys.argv[1:], _params], sort_keys=True, default=str)
    digest = hashlib.sha256(code + b"\0" + told.encode("utf-8", "surrogateescape")).hexdigest()
    return Path(LOCAL_FOLDER) / (path.stem or "program") / digest[:12]
