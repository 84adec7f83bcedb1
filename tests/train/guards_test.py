"""What a run leaves beside its checkpoints, and when it gives up by itself."""

import dataclasses
import json
import resource

import jax
import numpy as np
import pytest

from scenetok_jax.media import read_image
from scenetok_jax.train.curves import draw_curves
from scenetok_jax.train.guards import LossWatch
from scenetok_jax.train.loop import train
from scenetok_jax.train.profile import parse_window
from scenetok_jax.types import InputError
from tests.train.loop_test import STEPS, TASK, Stream, rows, small_config

BAD = range(2, 100)  # batches with a NaN: steps from 3 on


def give_up(tmp_path, skip):
  config = small_config(skip=skip)
  config.train.max_nonfinite = 3
  with pytest.raises(InputError) as caught:
    train(config, str(tmp_path), TASK, lambda: Stream(bad=tuple(BAD)))
  return str(caught.value)


@pytest.mark.faults("losses and gradients that stay NaN")
@pytest.mark.parametrize(
  "skip, fate",
  [
    ("none", "the parameters are spoilt since then"),
    ("zero", "intact but for weight decay"),
    ("freeze", "as before them"),
  ],
)
def test_steps_that_are_not_finite_in_a_row_end_the_run(tmp_path, skip, fate):
  message = give_up(tmp_path, skip)
  assert "in 3 steps in a row, 3 to 5 (last finite loss: " in message
  assert fate in message and "train.max_nonfinite is the limit" in message
  report = json.loads((tmp_path / "nonfinite.json").read_text())
  assert report["examples"] == [16, 39]
  assert report["last_finite"]["step"] == 2
  assert [row["step"] for row in report["rows"]] == [3, 4, 5]
  assert not report["rows"][0]["grads_finite"]
  # What was done before is logged, and nothing spoilt was saved.
  assert [row["step"] for row in rows(tmp_path)] == [1, 2, 3, 4, 5]
  assert not list((tmp_path / "checkpoints").glob("[0-9]*"))


def test_spoilt_parameters_do_not_replace_a_good_checkpoint(tmp_path):
  config = small_config(skip="none")
  config.train.update(
    {"max_nonfinite": 3, "checkpoint_every": 1, "checkpoint_keep": 2}
  )
  with pytest.raises(InputError, match=r"finite after step 3 .*not saved"):
    train(config, str(tmp_path), TASK, lambda: Stream(bad=tuple(BAD)))
  report = json.loads((tmp_path / "nonfinite.json").read_text())
  assert "params/decoder/down/kernel" in report["parameters"]
  kept = sorted(p.name for p in (tmp_path / "checkpoints").glob("[0-9]*"))
  assert [int(name) for name in kept] == [1, 2]


@pytest.mark.faults("a run that diverged between two checkpoints")
def test_a_lost_run_keeps_its_sound_checkpoint_and_does_not_end_well(tmp_path):
  config = small_config(skip="freeze")
  config.train.update({"checkpoint_every": 2, "total_steps": 9})
  with pytest.raises(InputError, match="in 6 steps in a row, 4 to 9"):
    train(config, str(tmp_path), TASK, lambda: Stream(bad=tuple(range(3, 99))))
  kept = {int(p.name) for p in (tmp_path / "checkpoints").glob("[0-9]*")}
  # At step 4 one batch might have been at fault.
  assert kept == {2, 4}


def test_fewer_in_a_row_than_the_limit_pass(tmp_path):
  config = small_config(skip="freeze")
  config.train.max_nonfinite = 3
  train(config, str(tmp_path), TASK, lambda: Stream(bad=(1, 2, 4)))
  assert [row["skipped"] for row in rows(tmp_path)] == [
    False, True, True, False, True, False
  ]  # fmt: skip


def test_a_run_leaves_curves_an_overview_and_a_trace(tmp_path, capsys):
  config = small_config()
  config.train.update({"eval_every": 3, "profile": "2:3"})
  seen = []

  def evaluate(params, step):
    seen.append((step, (tmp_path / "curves.png").exists()))
    return {"psnr": 20.0 + step}

  train(config, str(tmp_path), TASK, Stream, evaluate, draw=draw_curves)
  # Drawn after each evaluation, so there before the second.
  assert seen == [(3, False), (6, True)]
  assert read_image(tmp_path / "curves.png").std() > 1
  text = (tmp_path / "parameters.txt").read_text()
  assert "tokenizer/up/kernel" in text and "fsdp" in text
  assert "parameters in 3 arrays" in capsys.readouterr().out
  assert list((tmp_path / "profile").rglob("*.xplane.pb"))


@pytest.mark.slow
def test_a_trace_that_the_end_cuts_short_is_kept(tmp_path):
  config = small_config()
  config.train.profile = f"{STEPS}:{STEPS + 5}"
  train(config, str(tmp_path), TASK, Stream)
  assert list((tmp_path / "profile").rglob("*.xplane.pb"))


@pytest.mark.parametrize("window", ["7", "5:3", "a:b", "-1:4"])
def test_a_wrong_window_is_refused(window):
  with pytest.raises(InputError, match=r"train\.profile: .* FIRST:LAST"):
    parse_window(window)


class FillsDisk(Stream):
  """Files may not grow from batch 7 on, as on a full disk.

  It is read two steps ahead. By then the save of step 2 is complete: that of
  step 4 waited for it.
  """

  def __next__(self):
    if self.get_state()["next"] == 7:
      _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
      resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    return super().__next__()


def large_init(key):
  """Checkpoints of some 100 kB."""
  drawn = TASK.init(key)
  drawn["decoder"]["null_tokens"] = jax.random.normal(key, (1, 1 << 15))
  return drawn


@pytest.mark.faults("a full disk")
def test_a_full_disk_ends_the_run_and_costs_nothing(tmp_path):
  task = dataclasses.replace(TASK, init=large_init)
  config = small_config()
  config.train.update({"checkpoint_every": 2, "total_steps": 12})
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  try:
    with pytest.raises(
      InputError, match=r"free space there; the last com.* [24]"
    ):
      train(config, str(tmp_path / "cut"), task, FillsDisk)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  # Long before the last step: the failed save was noticed in between.
  assert max(row["step"] for row in rows(tmp_path / "cut")) < 12
  ended = train(config, str(tmp_path / "cut"), task, Stream)
  whole = train(config, str(tmp_path / "whole"), task, Stream)
  jax.tree.map(np.testing.assert_array_equal, ended, whole)


def told(losses, capsys):
  watch = LossWatch()
  for step, loss in enumerate(losses, 1):
    watch.see(step, loss)
  return capsys.readouterr().err.splitlines()


def test_a_loss_that_stays_high_is_told_once(capsys):
  (line,) = told([1.0] * 500 + [5.0] * 400, capsys)
  assert line.startswith("step 600: for 100 steps") and "median of 1" in line


def test_it_is_told_again_after_it_came_back(capsys):
  losses = [1.0] * 500 + [5.0] * 150 + [1.0] * 50 + [5.0] * 150
  assert len(told(losses, capsys)) == 2


def test_noise_short_jumps_and_the_first_steps_are_not_told(capsys):
  noisy = [1.0, 2.5, 0.4] * 200
  jumps = ([1.0] * 150 + [50.0] * 99) * 3
  assert told([100.0] * 50 + noisy + jumps, capsys) == []
