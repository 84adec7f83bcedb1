"""Runs that go wrong: nothing finite, or a loss that stays high."""

import collections
import math
import statistics
from typing import Any

import jax
from ml_collections import ConfigDict

from scenetok_jax.io import locate, to_plain, write_json
from scenetok_jax.parallel.rules import path_name
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.reading.shown import remark
from scenetok_jax.train.gradients import all_finite
from scenetok_jax.types import Array, InputError

REPORT_FILE = "nonfinite.json"
_KEPT = 100  # steps in the report
# Ours: a published run's losses vary by a third from step to step.
_WINDOW, _FEWEST, _EVERY = 1000, 100, 10
_FACTOR, _LONG = 3.0, 100
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
    self._seen = self._bad = 0  # steps of this life; not finite, in a row

  def see(self, step: int, metrics: dict[str, Array]) -> None:
    """Counts a step; InputError if it is the last that the limit allows."""
    row = {"step": step, **{k: v.item() for k, v in metrics.items()}}
    self._seen += 1
    if math.isfinite(row["loss"]) and row["grads_finite"]:
      self._rows, self._bad, self._last_finite = [], 0, row
      return
    self._bad += 1
    self._rows = [*self._rows, row][-_KEPT:]
    if 0 < self._limit <= self._bad:
      self._abort()

  def worth_saving(self, step: int, params: Any, final: bool) -> bool:
    """Whether the state after a step may become the newest checkpoint.

    Not while the run is lost: in at least 3 steps in a row, 10 or most of this
    life's, nothing was finite. InputError if it is `final` then, or where the
    parameters themselves are not finite.
    """
    if not _finite(params):
      leaves = jax.tree_util.tree_leaves_with_path(params)
      spoilt = [path_name(path) for path, x in leaves if not _finite(x)]
      self._report(step, step, parameters=spoilt[:_KEPT])
      raise InputError(
        f"{len(spoilt)} of {len(leaves)} parameters are not finite after step"
        f" {step} ({spoilt[0]} among them); they were not saved, and the last"
        f" checkpoint stays; see {self._path}; lower optimizer.learning_rate"
      )
    lost = self._bad >= 10 or self._bad >= max(3, self._seen / 2)
    if lost and final:
      self._abort()
    return not lost

  def _abort(self) -> None:
    last = self._rows[-1]["step"]
    first = last - self._bad + 1
    before = self._last_finite
    self._report(first, last)
    loss = f"{before['loss']:.4g}" if before else "none"
    raise InputError(
      f"loss or gradients were not finite in {self._bad} steps in a row,"
      f" {first} to {last} (last finite loss: {loss}); {_FATE[self._skip]}; see"
      f" {self._path}; lower optimizer.learning_rate, set dtype=float32 or look"
      " at the examples it names; train.max_nonfinite is the limit"
    )

  def _report(self, first: int, last: int, **more: Any) -> None:
    if not is_lead():
      return
    report = {
      "first_step": first,
      "last_step": last,
      # Example i of the stream is a function of (seed, i) alone.
      "examples": [(first - 1) * self._batch, last * self._batch - 1],
      "last_finite": self._last_finite,
      "rows": self._rows,
      **more,
    }
    write_json(self._path, to_plain(report, words=True), sync=True)


_finite = jax.jit(all_finite)


class LossWatch:
  """Tells once when the loss was far above its running median for long.

  That is: above 3 times the median of the last 1,000 losses, in 100 steps in a
  row. The run goes on; it tells again when the loss had come back.
  """

  def __init__(self) -> None:
    self._losses: collections.deque[float] = collections.deque(maxlen=_WINDOW)
    self._median, self._above = float("inf"), 0

  def see(self, step: int, loss: float) -> None:
    """Counts the loss of a step."""
    self._above = self._above + 1 if loss > _FACTOR * self._median else 0
    if self._above == _LONG and is_lead():
      remark(
        f"step {step}: for {_LONG} steps the loss has been above {_FACTOR:g}"
        f" times its median of {self._median:.4g}: lower"
        " optimizer.learning_rate, and go on from a checkpoint before it"
        " (config.restore)"
      )
    self._losses.append(loss)
    # A diverged loss must not become the median that it is compared with.
    if not self._above and step % _EVERY == 0 and len(self._losses) >= _FEWEST:
      self._median = statistics.median(self._losses)
