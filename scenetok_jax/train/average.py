"""Averages of any width, after the run, from those of its checkpoints."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from scenetok_jax.convert.compact import PARAMS_FILE, save_compact
from scenetok_jax.convert.engine import check_finite
from scenetok_jax.io import write_json
from scenetok_jax.outputs import whole
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.parallel.rules import placed_shapes
from scenetok_jax.train.state import power_gamma
from scenetok_jax.types import InputError
from scenetok_jax.workdir import stored
from scenetok_jax.workdir.stored_config import CONFIG_FILE, load_stored_config


class Average(NamedTuple):
  """What was made: of which steps with which weights, for which step.

  error: the L2 norm of what the average's profile lacks, by that of the
  profile asked for.
  """

  step: int
  weights: dict[int, float]
  error: float


def average(
  workdir: str | os.PathLike[str], std: float, out: str | os.PathLike[str]
) -> Average:
  """Writes a folder like a compact one, in float32.

  workdir: of a run with optimizer.ema_std. std: of the average wanted at its
  newest checkpoint. InputError where the run keeps no such averages, fewer than
  two of its checkpoints are left, or one is damaged.
  """
  config = load_stored_config(workdir)
  own = dict(config.get("optimizer") or {}).get("ema_std")
  if not isinstance(own, float) or own <= 0:
    raise InputError(
      f"{workdir}: config.json: optimizer.ema_std: not set, so its checkpoints"
      " hold no averages to combine; train with --config.optimizer.ema_std=0.05"
    )
  steps = [step for step in stored.complete_steps(workdir) if step > 0]
  if len(steps) < 2:
    raise InputError(
      f"{stored.checkpoints(workdir)}: {len(steps)} checkpoints, 2 or more are"
      " needed; keep some by train.checkpoint_permanent_every"
    )
  weights, error = combination(steps, power_gamma(own), power_gamma(std))
  total: Any = None
  for step, weight in zip(steps, weights, strict=True):
    found = _read(stored.checkpoints(workdir), step)
    scaled = jax.tree.map(lambda x, w=weight: w * x.astype(np.float64), found)
    total = scaled if total is None else jax.tree.map(np.add, total, scaled)
  params = jax.tree.map(lambda x: x.astype(np.float32), total)
  with whole(pathlib.Path(out), PARAMS_FILE, CONFIG_FILE) as aside:
    save_compact(aside / PARAMS_FILE, params, steps[-1], exact=True)
    write_json(aside / CONFIG_FILE, config)
  named = dict(zip(steps, map(float, weights), strict=True))
  return Average(steps[-1], named, error)


def combination(
  steps: Sequence[int], own: float, wanted: float
) -> tuple[np.ndarray, float]:
  """Weights [n] of snapshots at steps, and the error that remains.

  The snapshots' profiles, t^own up to their step, approach the last step's
  t^wanted by least squares (EDM2, arXiv 2312.02696, section 3.2), with weights
  whose sum is 1: else few snapshots would shrink the parameters (ours).
  """
  times, ends = np.asarray(steps, float) / max(steps), np.ones(1)
  gram = _products(times, own, times, own)
  aims = _products(times, own, ends, wanted)[:, 0]
  square = _products(ends, wanted, ends, wanted)[0, 0]
  # With Lagrange's multiplier of the sum.
  one = np.ones((len(steps), 1))
  system = np.block([[gram, one], [one.T, np.zeros((1, 1))]])
  weights = np.linalg.lstsq(system, np.append(aims, 1), rcond=1e-12)[0][:-1]
  rest = square - 2 * weights @ aims + weights @ gram @ weights
  return weights, float(np.sqrt(max(rest, 0.0) / square))


def _products(a: np.ndarray, p: float, b: np.ndarray, q: float) -> np.ndarray:
  """[n m]: integrals of two profiles' product.

  A profile is (p + 1) t^p / a^(p + 1) on [0, a], whose integral is 1.
  """
  a, b = a[:, None], b[None]
  # The shorter one's end over the longer's, to the power of the longer.
  ratio, power = np.minimum(a, b) / np.maximum(a, b), np.where(a < b, q, p)
  scale = (p + 1.0) * (q + 1.0) / (p + q + 1.0)
  return scale * ratio**power / np.maximum(a, b)


def _read(folder: pathlib.Path, step: int) -> Any:
  """The averages of one checkpoint, as NumPy arrays."""
  mesh = make_mesh({}, jax.local_devices()[:1])

  def read(where: pathlib.Path) -> Any:
    shapes = stored.shapes(where / "state").get("ema")
    if not shapes:
      raise InputError(
        f"{where}: holds no averages; leave out checkpoints of another run"
      )
    tree = {"ema": placed_shapes(shapes, mesh)}
    return jax.device_get(stored.arrays(where / "state", tree)["ema"])

  found = stored.newest_sound(folder, [step], read).found
  check_finite(found, folder / str(step))
  return found
