"""Optional places that show curves: TensorBoard and Weights & Biases."""

import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any

from scenetok_jax.types import InputError


def open_tensorboard(folder: pathlib.Path) -> Any:
  """clu's event writer, or None where TensorFlow is not installed."""
  try:
    from clu import metric_writers
  except ImportError:
    return None
  return metric_writers.SummaryWriter(str(folder / "tensorboard"))


def open_wandb(
  folder: pathlib.Path, project: str, config: Mapping[str, Any]
) -> Any:
  """A run of Weights & Biases that a resumed run continues."""
  try:
    import wandb
  except ImportError as error:
    raise InputError(
      "config: train.wandb: wandb is not installed; pip install -e '.[wandb]',"
      ' or set it to ""'
    ) from error
  # The same id for the same folder: a resumed run goes on in its own curves.
  digest = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()
  return wandb.init(
    project=project,
    name=folder.name,
    id=digest[:16],
    resume="allow",
    dir=str(folder),
    config=dict(config),
  )
