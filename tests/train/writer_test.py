"""The metric files stay valid and gapless across kills and resumes."""

import json
import time
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from scenetok_jax.train import loggers
from scenetok_jax.train.activity import Activity
from scenetok_jax.train.writer import MetricWriter
from scenetok_jax.types import InputError
from scenetok_jax.workdir.lock import LeaseLostError

CONFIG = ConfigDict(
  {"train": {"total_steps": 20, "wandb": ""}, "data": {"batch_size": 4}}
)


def at_step(start=0, clock=time.monotonic):
  """An activity that makes its first step after `start`."""
  activity = Activity(clock)
  activity.first_step = start
  activity.at(f"step {start + 1}", "step")
  return activity


def rows(folder, name="metrics.jsonl"):
  def fail(text):
    raise AssertionError(f"not JSON: {text}")

  lines = (folder / name).read_text().splitlines()
  return [json.loads(line, parse_constant=fail) for line in lines]


def write_steps(folder, first, last, start):
  with MetricWriter(
    folder, CONFIG, at_step(start), peak_seconds=1e-9
  ) as writer:
    for step in range(first, last + 1):
      writer.write(step, {"loss": jnp.float32(1 / step)})


def test_each_line_is_on_disk_when_write_returns(tmp_path):
  with MetricWriter(tmp_path, CONFIG, at_step()) as writer:
    for step in (1, 2, 3):
      writer.write(step, {"loss": 0.5})
      assert steps(tmp_path)[-1] == step
      time.sleep(0.1)  # far shorter than steps that a person watches


def test_resume_drops_later_and_broken_lines(tmp_path):
  write_steps(tmp_path, 1, 8, 0)
  with open(tmp_path / "metrics.jsonl", "a") as file:
    file.write('{"step": 9, "lo')
  write_steps(tmp_path, 6, 10, 5)
  found = rows(tmp_path)
  assert [row["step"] for row in found] == list(range(1, 11))
  want = [float(np.float32(1 / n)) for n in range(1, 11)]
  assert [row["loss"] for row in found] == want


def test_a_fresh_start_drops_everything(tmp_path):
  write_steps(tmp_path, 1, 3, 0)
  write_steps(tmp_path, 1, 2, 0)
  assert [row["step"] for row in rows(tmp_path)] == [1, 2]


def test_non_finite_values_are_legal_json(tmp_path):
  with MetricWriter(tmp_path, CONFIG, at_step()) as writer:
    writer.write(1, {"loss": jnp.nan, "grad_norm": jnp.float32(jnp.inf)})
    writer.write(2, {"loss": -np.inf, "skipped": jnp.array(True)})
  first, second = rows(tmp_path)
  assert np.isnan(float(first["loss"])) and float(first["grad_norm"]) == np.inf
  assert float(second["loss"]) == -np.inf and second["skipped"] is True


def test_console_line_tells_speed_and_time_to_go(tmp_path, capsys):
  write_steps(tmp_path, 1, 3, 0)
  line = capsys.readouterr().out.splitlines()[-1]
  for text in ("step  3/20", "loss 0.33", "s/step", "ex/s", "% of peak", "eta"):
    assert text in line
  row = rows(tmp_path)[-1]
  assert np.isclose(row["examples_per_second"], 4 / row["step_seconds"])
  utilisation = 1e-9 / row["step_seconds"]
  assert np.isclose(row["flop_utilisation"], utilisation)


class Clock:
  """Seconds that pass only where a test says so."""

  now = 0.0

  def __call__(self):
    return self.now


def test_a_row_says_where_the_time_since_the_last_one_went(
  tmp_path, monkeypatch
):
  clock = Clock()
  activity = at_step(4, clock)

  def spend(kind, seconds):
    activity.at(kind, kind)
    clock.now += seconds

  activity._heard("/jax/core/compile/backend_compile_duration", 3.0)
  clock.now += 3.0  # the parameters' init
  with MetricWriter(tmp_path, CONFIG, activity) as writer:
    spend("data_wait", 1.0)
    spend("step", 2.0)
    writer.write(5, {"loss": 1.0})
    for kind in ("data_wait", "step", "save", "evaluation", "step"):
      spend(kind, 4.0)
    stats = [SimpleNamespace(memory_stats=lambda n=n: n) for n in STATS]
    monkeypatch.setattr(jax, "local_devices", lambda: stats)
    writer.write(7, {"loss": 1.0})
    writer.write(7, {"loss": 1.0})  # no time has passed
  first, second, third = rows(tmp_path)
  keys = ("step", "data_wait", "compile", "save")
  for row, want in ((first, (3, 1, 3, 0)), (second, (6, 2, 0, 4))):
    assert [row[f"{key}_seconds"] for key in keys] == list(want)
  assert first["eta_seconds"] == 3 * 15
  assert "device_peak_bytes" not in first
  assert second["device_peak_bytes"] == 9
  assert third.keys() == {"step", "loss"}


STATS = ({"peak_bytes_in_use": 7}, {"peak_bytes_in_use": 9}, None)


def test_utilisation_is_never_above_the_whole(tmp_path, capsys):
  with MetricWriter(tmp_path, CONFIG, at_step(), peak_seconds=1e6) as writer:
    for step in (1, 2):
      writer.write(step, {"loss": 1.0})
  assert rows(tmp_path)[-1]["flop_utilisation"] == 1.0


def test_evaluations_have_their_own_file(tmp_path):
  with MetricWriter(tmp_path, CONFIG, at_step()) as writer:
    writer.write_eval(1, {"psnr": 20.0})
    writer.write(2, {"loss": 1.0})
  assert rows(tmp_path, "eval.jsonl") == [{"step": 1, "psnr": 20.0}]
  assert [row["step"] for row in rows(tmp_path)] == [2]


def curves(folder):
  """{tag: [(step, value)]} as TensorBoard reads a workdir."""
  event_accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator"
  )
  board = event_accumulator.EventAccumulator(str(folder / "tensorboard"))
  board.Reload()
  return {
    tag: [(event.step, event.value) for event in board.Scalars(tag)]
    for tag in board.Tags()["scalars"]
  }


def test_tensorboard_shows_the_curves_of_all_starts_once(tmp_path, monkeypatch):
  pytest.importorskip("tensorboardX")
  monkeypatch.setattr(loggers, "_FLUSH_SECONDS", 0.0)
  write_steps(tmp_path, 1, 8, 0)
  with MetricWriter(tmp_path, CONFIG, at_step(5)) as writer:
    for step in range(6, 11):
      writer.write(step, {"loss": jnp.float32(-step)})
    # On disk while the run is alive.
    assert curves(tmp_path)["train/loss"][-1] == (10, -10.0)
    writer.write_eval(10, {"loss": 3.0, "psnr": np.nan, "scenes": 4})
  found = curves(tmp_path)
  want = [(n, float(np.float32(1 / n))) for n in range(1, 6)]
  want += [(n, -float(n)) for n in range(6, 11)]
  assert found["train/loss"] == want
  assert found["eval/loss"] == [(10, 3.0)]
  assert np.isnan(found["eval/psnr"][0][1]) and "eval/scenes" not in found
  assert len(found["train/examples_per_second"]) == 10


def test_a_board_that_cannot_be_written_ends_the_run(tmp_path):
  pytest.importorskip("tensorboardX")
  (tmp_path / "tensorboard").write_text("a file")
  with pytest.raises(InputError, match="tensorboard: cannot be written"):
    MetricWriter(tmp_path, CONFIG, at_step())


@pytest.fixture
def bucket(monkeypatch):
  """Appending takes 50 ms, as where each close uploads the file.

  Returns the seconds at which files were closed.
  """
  closed, append = [], loggers._append

  def slow(path, lines):
    time.sleep(0.05)
    append(path, lines)
    closed.append(time.monotonic())

  monkeypatch.setattr(loggers, "_append", slow)
  return closed


def steps(folder):
  return [row["step"] for row in rows(folder)]


def test_rows_of_a_bucket_are_batches_that_hold_up_no_step(tmp_path, bucket):
  with MetricWriter(tmp_path, CONFIG, at_step()) as writer:
    writer.write(1, {"loss": 1.0})  # what writing takes is not known yet
    start = time.monotonic()
    for step in range(2, 12):
      writer.write(step, {"loss": 1.0})
    # Each by itself would have taken 0.05 s.
    assert time.monotonic() - start < 0.25
    assert len(bucket) == 1 and steps(tmp_path) == [1]
    # All of them come without another step: a run that hangs shows them.
    while len(bucket) < 2:
      assert time.monotonic() - start < 3
      time.sleep(0.01)
    assert bucket[1] - bucket[0] > 0.9 and steps(tmp_path) == [*range(1, 12)]
    writer.write(12, {"loss": 1.0})
    assert steps(tmp_path)[-1] == 11
    writer.flush()  # before a save
    assert steps(tmp_path)[-1] == 12
    writer.write(13, {"loss": 1.0})
    writer.write_eval(13, {"psnr": 20.0})
    assert rows(tmp_path, "eval.jsonl") and steps(tmp_path)[-1] == 13
    writer.write(14, {"loss": 1.0})
  assert steps(tmp_path) == [*range(1, 15)]


def test_a_run_that_lost_its_workdir_writes_no_more_rows(tmp_path, bucket):
  with (
    pytest.raises(LeaseLostError),
    MetricWriter(tmp_path, CONFIG, at_step()) as writer,
  ):
    writer.write(1, {"loss": 1.0})
    writer.write(2, {"loss": 1.0})
    raise LeaseLostError("taken")
  time.sleep(1.2)
  assert steps(tmp_path) == [1]


def test_a_full_disk_ends_the_run_from_the_thread_too(tmp_path):
  with (
    pytest.raises(InputError, match=r"metrics\.jsonl: cannot be written"),
    MetricWriter(tmp_path, CONFIG, at_step()) as writer,
  ):
    writer._rows._seconds = 0.02  # all by the thread
    (tmp_path / "metrics.jsonl").mkdir()
    writer.write(1, {"loss": 1.0})
    time.sleep(0.5)
    writer.write(2, {"loss": 1.0})


def test_rows_that_are_no_text_are_dropped(tmp_path):
  path = tmp_path / "metrics.jsonl"
  path.write_bytes(b'\xff\n{"step": 1}\n{"step": 2}\n{"step": [3]}\n')
  loggers.drop_rows(path, 1)
  assert path.read_text() == '{"step": 1}\n'
