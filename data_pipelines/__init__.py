"""Jobs that write posed video as records, and the readers that train on it.

`records` (prepared data) and `capture` (a user's own) are named here for short:
`from data_pipelines import records`.
"""

import importlib
from types import ModuleType

_SHORT = {
  "capture": "data_pipelines.sources.capture",
  "records": "data_pipelines.storage.records",
}


def __getattr__(name: str) -> ModuleType:
  """Imported when it is asked for: data workers load no more than they need."""
  if name not in _SHORT:
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
  return importlib.import_module(_SHORT[name])
