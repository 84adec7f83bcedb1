"""A run's metrics: rows with their timing, for the loggers and the console."""

import contextlib
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TextIO

from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.train.loggers import (
  JsonLines,
  Logger,
  open_loggers,
  read_rows,
)
from scenetok_jax.workdir.lock import make_folder

TRAIN_FILE = "metrics.jsonl"
EVAL_FILE = "eval.jsonl"


class MetricWriter:
  """Appends one line per logged step; silent in processes but the lead.

  WORKDIR/metrics.jsonl holds the training steps, eval.jsonl evaluations. On
  resume the lines of steps after start_step, and a line cut off by a kill,
  are dropped, so the files become what an uninterrupted run would leave
  (but for the timings).
  """

  def __init__(
    self,
    workdir: str | os.PathLike[str],
    total_steps: int,
    start_step: int = 0,
    *,
    batch_size: int = 0,
    step_flops: float = 0.0,
    peak_flops: float = 0.0,
    stream: TextIO | None = None,
    wandb: str = "",
    config: Mapping[str, Any] | None = None,
  ) -> None:
    """Opens the files.

    Args:
      workdir: the run's folder.
      total_steps: last step, for the estimated time of arrival.
      start_step: the restored step, 0 for a fresh run.
      batch_size: global examples per step, for examples_per_second.
      step_flops: FLOPs of one step, for flop_utilisation.
      peak_flops: FLOP/s that step_flops are compared with.
      stream: where console lines go, default standard output.
      wandb: project of Weights & Biases to log to as well, "" for none.
      config: shown there.
    """
    self._active = is_lead()
    self._folder = pathlib.Path(workdir)
    self._total, self._last_step = total_steps, start_step
    self._batch, self._flops, self._peak = batch_size, step_flops, peak_flops
    self._stream = stream or sys.stdout
    self._last_time: float | None = None
    self._files: dict[str, JsonLines] = {}
    self._loggers: list[Logger] = []
    if self._active:
      make_folder(self._folder)
      self._files = {
        kind: JsonLines(self._folder / name, start_step)
        for kind, name in (("train", TRAIN_FILE), ("eval", EVAL_FILE))
      }
      self._loggers = open_loggers(self._folder, wandb, config or {})

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *_: object) -> None:
    self.close()

  def write(self, step: int, metrics: Mapping[str, Any]) -> None:
    """Logs a training step: its metrics, speed and time to go.

    The first step after a start has no timing: it would hold compilation.

    Args:
      step: number of finished steps.
      metrics: scalars, among them loss, learning_rate and grad_norm.
    """
    if not self._active:
      return
    row = _row(step, metrics) | self._timing(step)
    self._append("train", row)
    print(console_line(row, self._total), file=self._stream, flush=True)

  def write_eval(self, step: int, metrics: Mapping[str, Any]) -> None:
    """Logs an evaluation made after `step` steps."""
    if not self._active:
      return
    row = _row(step, metrics)
    self._append("eval", row)
    parts = [f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, float)]
    text = f"step {step:>7}  eval  {'  '.join(parts)}"
    print(text, file=self._stream, flush=True)

  def evaluated(self, step: int) -> bool:
    """Whether the evaluation after `step` steps is in the folder."""
    rows = read_rows(self._folder / EVAL_FILE)
    return any(row["step"] == step for row in rows)

  @contextlib.contextmanager
  def pause(self) -> Iterator[None]:
    """Keeps evaluations and saves out of the step times."""
    start = time.perf_counter()
    yield
    if self._last_time is not None:
      self._last_time += time.perf_counter() - start

  def close(self) -> None:
    """Closes the files."""
    for file in self._files.values():
      file.close()
    for logger in self._loggers:
      logger.close()

  def _timing(self, step: int) -> dict[str, float]:
    now, count = time.perf_counter(), step - self._last_step
    before, self._last_time = self._last_time, now
    self._last_step = step
    if before is None or count < 1:
      return {}
    seconds = (now - before) / count
    row = {"step_seconds": seconds}
    if self._batch:
      row["examples_per_second"] = self._batch / seconds
    if self._flops and self._peak:
      row["flop_utilisation"] = self._flops / seconds / self._peak
    row["eta_seconds"] = seconds * max(self._total - step, 0)
    return row

  def _append(self, kind: str, row: dict[str, Any]) -> None:
    self._files[kind].write(row)
    scalars = {k: v for k, v in row.items() if isinstance(v, float)}
    for logger in self._loggers:
      logger.write(kind, row["step"], scalars)


# What a console line tells of a row, in this order.
_TOLD: dict[str, Callable[[Any], str]] = {
  "loss": lambda x: f"loss {x:.4g}",
  "learning_rate": lambda x: f"lr {x:.4g}",
  "grad_norm": lambda x: f"grad {x:.4g}",
  "skipped": lambda x: "SKIPPED" if x else "",
  "step_seconds": lambda x: f"{x:.3g} s/step",
  "examples_per_second": lambda x: f"{x:.3g} ex/s",
  "flop_utilisation": lambda x: f"{100 * x:.0f}% of peak",
  "eta_seconds": lambda x: f"eta {_duration(x)}",
}


def console_line(row: Mapping[str, Any], total_steps: int) -> str:
  """One readable line for a row of metrics.jsonl."""
  width = len(str(total_steps))
  parts = [f"step {row['step']:>{width}}/{total_steps}"]
  parts += [tell(row[key]) for key, tell in _TOLD.items() if key in row]
  return "  ".join(filter(None, parts))


def _duration(seconds: float) -> str:
  minutes, second = divmod(round(seconds), 60)
  hours, minute = divmod(minutes, 60)
  if hours:
    return f"{hours}h{minute:02d}m"
  return f"{minute}m{second:02d}s"


def _row(step: int, metrics: Mapping[str, Any]) -> dict[str, Any]:
  """Scalar arrays as float, int or bool; anything else unchanged."""
  row: dict[str, Any] = {"step": int(step)}
  for name, value in metrics.items():
    row[name] = value.item() if hasattr(value, "item") else value
  return row
