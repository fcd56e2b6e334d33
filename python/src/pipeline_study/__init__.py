"""For Python programs that pipeline runs, and for notebooks that read what it made.

In a program::

    from pipeline_study import checkpoint, inputs, log_metrics, outputs, params, progress

In a notebook::

    from pipeline_study import Study
    Study('.').metrics('train')

It needs the standard library alone. docs/python.md of pipeline describes it.
"""

from ._checkpoint import Checkpoint, checkpoint
from ._events import log, log_metrics, progress
from ._files import Inputs, Item, MissingItem, Outputs, inputs, outputs
from ._params import Params, params
from ._study import Study, StudyError, StudyWarning

__all__ = [
    "Checkpoint",
    "Inputs",
    "Item",
    "MissingItem",
    "Outputs",
    "Params",
    "Study",
    "StudyError",
    "StudyWarning",
    "checkpoint",
    "inputs",
    "log",
    "log_metrics",
    "outputs",
    "params",
    "progress",
]

__version__ = "0.1.0"
