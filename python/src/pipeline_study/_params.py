"""The params of a task."""

import json
from pathlib import Path
from typing import Any, Dict

from ._place import PARAMS_FILE, is_task, remember_params


class Params(Dict[str, Any]):
    """Params by name: `params()["rate"]`, or `params().rate`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __missing__(self, name: str) -> Any:
        known = ", ".join(sorted(self)) or "none"
        where = "the stage in pipeline.yaml gives" if is_task() else "params.json or params(NAME=VALUE) give"
        raise ParamError(f"there is no param {name!r}: {where} {known}")


class ParamError(KeyError, AttributeError):
    """A param that is not there."""

    def __str__(self) -> str:
        return str(self.args[0])


def params(**defaults: Any) -> Params:
    """The params that the stage lists, from params.json; `defaults` where it has none of that name.

    So `params(epochs=3)` makes a script run by itself, too.
    """
    values = Params(defaults)
    path = Path(PARAMS_FILE)
    if path.is_file():
        read = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(read, dict):
            raise ValueError(f"{path} must hold a JSON object")
        values.update(read)
    remember_params(values)
    return values
