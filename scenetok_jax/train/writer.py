"""A run's metrics: rows with their timing, for the loggers and the console."""

import contextlib
import datetime
import os
from collections.abc import Mapping
from typing import Any, Self

import jax
from ml_collections import ConfigDict

from scenetok_jax.io import locate
from scenetok_jax.parallel.runtime import gather_bytes, is_lead
from scenetok_jax.reading.shown import say
from scenetok_jax.train import loggers
from scenetok_jax.train.activity import Activity
from scenetok_jax.workdir.lock import LeaseLostError, make_folder

TRAIN_FILE = "metrics.jsonl"
EVAL_FILE = "eval.jsonl"
_FILES = {"train": TRAIN_FILE, "eval": EVAL_FILE}


class MetricWriter:
  """Appends one line per logged step; silent in processes but the lead.

  WORKDIR/metrics.jsonl holds the training steps, eval.jsonl evaluations. On
  resume lines that come again are dropped, so the files become what an
  uninterrupted run would leave (but for the timings).
  """

  def __init__(
    self,
    workdir: str | os.PathLike[str],
    config: ConfigDict,
    activity: Activity,
    peak_seconds: float = 0.0,
  ) -> None:
    """Opens the files, and drops rows after the step that the run starts from.

    config: of the run; Weights & Biases show it. activity: knows that step, and
    where time goes. peak_seconds: what a step
    takes at the devices' peak, for flop_utilisation.
    """
    self._folder = locate(workdir)
    start_step = activity.first_step or 0
    self._total, self._last_step = config.train.total_steps, start_step
    self._batch, self._peak_seconds = config.data.batch_size, peak_seconds
    self._activity = activity
    # The first row tells what this start has compiled.
    self._before = activity.seconds() | {"compile": 0.0}
    self._loggers: list[loggers.Logger] = []
    self._rows = loggers.RowFiles(self._folder)
    self._stack = contextlib.ExitStack()
    if is_lead():
      make_folder(self._folder)
      for name in _FILES.values():
        loggers.drop_rows(self._folder / name, start_step)
      self._loggers = loggers.open_loggers(
        self._folder, config, self._stack, start_step
      )

  def __enter__(self) -> Self:
    return self

  def __exit__(self, kind: object, *_: object) -> None:
    if kind is LeaseLostError:
      self._rows.held.clear()  # the folder is another's
    with self._stack:
      self.flush()

  def flush(self) -> None:
    """Writes rows that wait; a kill right after a save must not lose them."""
    self._rows.flush()

  def write(self, step: int, metrics: Mapping[str, Any]) -> None:
    """Logs a training step: its metrics, speed and time to go.

    metrics: scalars, among them loss, learning_rate and grad_norm.
    """
    if is_lead():
      row = _row(step, metrics) | self._timing(step)
      self._append("train", row)
      say(console_line(row, self._total), flush=True)

  def write_eval(self, step: int, metrics: Mapping[str, Any]) -> None:
    """Logs an evaluation made after `step` steps."""
    if is_lead():
      row = _row(step, metrics)
      self._append("eval", row)
      self.flush()
      parts = [f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, float)]
      say(f"step {step:>7}  eval  {'  '.join(parts)}", flush=True)

  def evaluated(self, step: int) -> bool:
    """Whether the evaluation after `step` steps is in the lead's folder.

    Every process must ask: all do what the lead has seen.
    """
    rows = loggers.read_rows(self._folder / EVAL_FILE)
    seen = any(row["step"] == step for row in rows)
    return gather_bytes(bytes([seen]))[0] == b"\1"

  def _timing(self, step: int) -> dict[str, float]:
    """Since the last row: without compilation, saves and evaluations."""
    now, count = self._activity.seconds(), step - self._last_step
    spent = {kind: now[kind] - self._before[kind] for kind in now}
    self._before, self._last_step = now, step
    seconds = (spent["step"] + spent["data_wait"]) / max(count, 1)
    if seconds <= 0:
      return {}
    return {
      "step_seconds": seconds,
      "data_wait_seconds": spent["data_wait"] / max(count, 1),
      "compile_seconds": spent["compile"],
      "save_seconds": spent["save"],
      **_memory(),
      "examples_per_second": self._batch / seconds,
      # A measured peak may be below that of the step itself.
      "flop_utilisation": min(self._peak_seconds / seconds, 1.0),
      "eta_seconds": seconds * max(self._total - step, 0),
    }

  def _append(self, kind: str, row: dict[str, Any]) -> None:
    self._rows.add(_FILES[kind], row)
    scalars = {k: v for k, v in row.items() if isinstance(v, float)}
    for log in self._loggers:
      log(kind, row["step"], scalars)


# What a console line tells of a row, in this order.
_TOLD = {
  "loss": "loss {:.4g}",
  "learning_rate": "lr {:.4g}",
  "grad_norm": "grad {:.4g}",
  "skipped": "SKIPPED",
  "step_seconds": "{:.3g} s/step",
  "examples_per_second": "{:.3g} ex/s",
  "flop_utilisation": "{:.0%} of peak",
}


def console_line(row: Mapping[str, Any], total_steps: int) -> str:
  """One readable line for a row of metrics.jsonl."""
  width = len(str(total_steps))
  parts = [f"step {row['step']:>{width}}/{total_steps}"]
  told = {key: row[key] for key in _TOLD if row.get(key, False) is not False}
  parts += [_TOLD[key].format(value) for key, value in told.items()]
  if "eta_seconds" in row:
    seconds = round(row["eta_seconds"])
    parts.append(f"eta {datetime.timedelta(seconds=seconds)}")
  return "  ".join(parts)


def _memory() -> dict[str, int]:
  """The most bytes a device of this host has held; CPUs do not tell."""
  stats = [device.memory_stats() or {} for device in jax.local_devices()]
  peaks = [x["peak_bytes_in_use"] for x in stats if "peak_bytes_in_use" in x]
  return {"device_peak_bytes": max(peaks)} if peaks else {}


def _row(step: int, metrics: Mapping[str, Any]) -> dict[str, Any]:
  """Scalar arrays as float, int or bool; anything else unchanged."""
  return {"step": int(step)} | {
    name: value.item() if hasattr(value, "item") else value
    for name, value in metrics.items()
  }
