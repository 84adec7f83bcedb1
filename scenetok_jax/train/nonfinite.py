"""Steps whose loss or gradients are not finite."""

import math
from typing import Any

from ml_collections import ConfigDict

from scenetok_jax.io import locate, to_plain, write_json
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.types import Array, InputError

REPORT_FILE = "nonfinite.json"
_KEPT = 100  # steps in the report
_FATE = {
  "none": "the parameters are spoilt since then",
  "zero": "the parameters are intact but for weight decay",
  "freeze": "the parameters are as before them",
}


class NonFiniteGuard:
  """Ends a run whose loss or gradients are not finite too often in a row.

  train.max_nonfinite steps, 0 for no limit. A single such step is left to
  the optimiser's skip rule.
  """

  def __init__(self, workdir: str, config: ConfigDict) -> None:
    self._path = locate(workdir) / REPORT_FILE
    self._limit = config.train.max_nonfinite
    self._batch, self._skip = config.data.batch_size, config.optimizer.skip
    self._rows: list[dict[str, Any]] = []
    self._last_finite: dict[str, Any] = {}

  def see(self, step: int, metrics: dict[str, Array]) -> None:
    """Counts a step; InputError if it is the last that the limit allows."""
    row = {"step": step, **{k: v.item() for k, v in metrics.items()}}
    if math.isfinite(row["loss"]) and row["grads_finite"]:
      self._rows, self._last_finite = [], row
      return
    # Without a limit one row is enough to know that the parameters are spoilt.
    self._rows = [*self._rows, row][-(self._limit or 1) :]
    if 0 < self._limit <= len(self._rows):
      self._abort()

  @property
  def spoilt(self) -> bool:
    """Whether the parameters are no longer worth saving."""
    return self._skip == "none" and bool(self._rows)

  def _abort(self) -> None:
    first, last = self._rows[0]["step"], self._rows[-1]["step"]
    before = self._last_finite
    if is_lead():
      report = {
        "first_step": first,
        "last_step": last,
        # Example i of the stream is a function of (seed, i) alone.
        "examples": [(first - 1) * self._batch, last * self._batch - 1],
        "last_finite": before,
        "rows": self._rows[-_KEPT:],
      }
      write_json(self._path, to_plain(report, words=True), sync=True)
    loss = f"{before['loss']:.4g}" if before else "none"
    raise InputError(
      f"loss or gradients were not finite in {len(self._rows)} steps in a row,"
      f" {first} to {last} (last finite loss: {loss}); {_FATE[self._skip]}; see"
      f" {self._path}; lower optimizer.learning_rate, set dtype=float32 or look"
      " at the examples it names; train.max_nonfinite is the limit"
    )
