"""Where the rows of a run go: JSON lines, TensorBoard, Weights & Biases."""

import contextlib
import hashlib
import json
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.io import write_text
from scenetok_jax.types import InputError

# (kind, "train" or "eval", step, named numbers)
Logger = Callable[[str, int, Mapping[str, float]], None]


def drop_rows(path: pathlib.Path, start_step: int) -> None:
  """Drops lines of steps after start_step, and one that a kill cut off.

  They come again.
  """
  if path.exists():
    kept = [row for row in read_rows(path) if row["step"] <= start_step]
    text = "".join(json.dumps(row) + "\n" for row in kept)
    if text != path.read_text():
      write_text(path, text, sync=True)


def append_row(path: pathlib.Path, row: Mapping[str, Any]) -> None:
  """Appends one JSON object as a line; InputError on a full disk."""
  line = json.dumps(legal_json(dict(row)), allow_nan=False)
  try:
    with path.open("a") as file:
      file.write(line + "\n")
  except OSError as error:
    # Nothing is lost: the same command goes on from the last checkpoint.
    raise InputError(
      f"{path}: cannot be written ({error.strerror}); free space there and"
      " start again"
    ) from error


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
  """The whole rows of a file of JSON lines, none where there is no file."""
  rows = []
  for line in path.read_text().splitlines() if path.exists() else ():
    with contextlib.suppress(json.JSONDecodeError):
      rows.append(json.loads(line))
  return [row for row in rows if isinstance(row, dict) and "step" in row]


def legal_json(value: Any) -> Any:
  """JSON has no NaN: non-finite floats become strings that float() reads."""
  if isinstance(value, dict):
    return {key: legal_json(item) for key, item in value.items()}
  if isinstance(value, list):
    return [legal_json(item) for item in value]
  if isinstance(value, float) and not math.isfinite(value):
    return str(value)
  return value


def open_loggers(
  folder: pathlib.Path, config: ConfigDict, stack: contextlib.ExitStack
) -> list[Logger]:
  """TensorBoard where clu's writer imports; W&B where a project is named.

  The stack closes them.
  """
  found = [_wandb(folder, config, stack)] if config.train.wandb else []
  with contextlib.suppress(ImportError):  # clu's writer needs TensorFlow
    from clu import metric_writers

    board = metric_writers.SummaryWriter(str(folder / "tensorboard"))
    stack.callback(board.close)
    found.append(lambda kind, step, row: board.write_scalars(step, row))
  return found


def _wandb(
  folder: pathlib.Path, config: ConfigDict, stack: contextlib.ExitStack
) -> Logger:
  try:
    import wandb
  except ImportError as error:
    raise InputError(
      "config: train.wandb: wandb is not installed; pip install -e '.[wandb]',"
      ' or set it to ""'
    ) from error
  # The same id for the same folder: a resumed run goes on in its own curves.
  digest = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()
  run = wandb.init(
    project=config.train.wandb,
    name=folder.name,
    id=digest[:16],
    resume="allow",
    dir=str(folder),
    config=config.to_dict(),
  )
  stack.callback(run.finish)
  return lambda kind, step, row: run.log(
    {f"{kind}/{name}": value for name, value in row.items()}, step=step
  )
