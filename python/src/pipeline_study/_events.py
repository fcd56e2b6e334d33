"""What a program reports while it runs: JSON lines that it appends to $PIPELINE_EVENTS."""

import json
import math
import operator
import os
import sys
import time
from typing import Any, Dict, Mapping, Optional, SupportsFloat

from ._place import variable

#: Progress is told no more often than this; its end always is.
PAUSE_S = 0.05
#: A line of the log; pipeline counts what goes beyond.
LOG_CHARS_MAX = 4000


class _Told:
    """When something was told last."""

    progress: float = -math.inf
    metrics: float = -math.inf
    #: Whether a line on the terminal waits for its end.
    is_open: bool = False


def progress(done: SupportsFloat, of: SupportsFloat, note: str = "") -> None:
    """Tells how far the program is: `progress(3, 10)`."""
    part, whole = _number("done", done), _number("of", of)
    if part < 0 or whole < 0 or not (math.isfinite(part) and math.isfinite(whole)):
        raise ValueError(f"progress is a number from 0 on, of another: not {done} of {of}")
    now = time.monotonic()
    if now - _Told.progress < PAUSE_S and part < whole:
        return
    _Told.progress = now
    event: Dict[str, Any] = {"progress": [_plain(part), _plain(whole)]}
    if note:
        event["note"] = str(note)
    if _append(event):
        return
    text = f"[{_plain(part)}/{_plain(whole)}]{' ' + str(note) if note else ''}"
    if not sys.stderr.isatty():
        print(text, flush=True)
        return
    _Told.is_open = part < whole
    sys.stderr.write(f"\r\x1b[K{text}" + ("" if _Told.is_open else "\n"))
    sys.stderr.flush()


def log_metrics(step: Any, values: Optional[Mapping[str, Any]] = None, **more: Any) -> None:
    """Reports what was measured at a step, from 0 on: `log_metrics(3, loss=0.41)`.

    Numbers of NumPy and PyTorch are welcome; names that Python cannot write stand in a mapping,
    `log_metrics(3, {"val/loss": 0.4})`.
    """
    at = _step(step)
    named = {**(values or {}), **more}
    if not named:
        raise TypeError("log_metrics(step, loss=…) names what was measured")
    metrics = {str(name): _measured(str(name), value) for name, value in named.items()}
    if _append({"step": at, "metrics": metrics}):
        return
    now = time.monotonic()
    if now - _Told.metrics < PAUSE_S:
        return
    _Told.metrics = now
    _say(f"step {at}: " + ", ".join(f"{name} {_short(value)}" for name, value in metrics.items()))


def log(text: str) -> None:
    """Adds a line to the log of the task."""
    for line in str(text).splitlines() or [""]:
        if not _append({"log": line[:LOG_CHARS_MAX]}):
            _say(line)


def _append(event: Dict[str, Any]) -> bool:
    """Appends an event; False where nobody reads events. One write for each line: processes may share the file."""
    path = variable("PIPELINE_EVENTS")
    if path is None:
        return False
    line = json.dumps(event, allow_nan=False).encode("ascii") + b"\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        while line:
            line = line[os.write(file, line) :]
    finally:
        os.close(file)
    return True


def _say(line: str) -> None:
    if _Told.is_open:
        sys.stderr.write("\r\x1b[K")
        _Told.is_open = False
    print(line, flush=True)


def _number(name: str, value: SupportsFloat) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}") from None


def _measured(name: str, value: Any) -> Optional[float]:
    """A number as JSON can hold it: NaN and infinities are None."""
    if name in ("step", "__proto__", ""):
        raise ValueError(f"a metric cannot be called {name!r}")
    if isinstance(value, str):
        raise TypeError(f"metric {name} must be a number, not str")
    number = _number(f"metric {name}", value)
    return _plain(number) if math.isfinite(number) else None


def _plain(number: float) -> float:
    """Whole numbers are written without a point."""
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _short(number: Optional[float]) -> str:
    return "nan" if number is None else f"{number:.6g}"


def _step(step: Any) -> int:
    try:
        at = operator.index(step)
    except TypeError:
        raise TypeError(f"step must be an integer, not {type(step).__name__}") from None
    if at < 0 or at >= 2**53:
        raise ValueError(f"step must be an integer from 0 on, not {at}")
    return at
