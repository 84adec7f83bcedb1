"""Averages of other widths come from those that a run has kept."""

import functools
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scenetok_jax.cli import main as scenetok
from scenetok_jax.io import write_json
from scenetok_jax.train import state as train_state
from scenetok_jax.train.average import average, combination
from scenetok_jax.train.optimizer import Optimizer
from scenetok_jax.train.state import STD_RANGE, power_gamma, power_share
from scenetok_jax.types import InputError
from scenetok_jax.workdir.checkpoint import Checkpointer, restore_params

OWN, WANTED = 0.1, 0.2
EVERY, SNAPSHOTS = 20, 12


def profile(std, steps):
  """The weights [steps] of an average after so many steps, one by one."""
  shares = np.asarray(
    power_share(power_gamma(std), jnp.arange(1, steps + 1)), float
  )
  left = np.cumprod((1 - shares)[:0:-1])[::-1]
  return shares * np.append(left, 1.0)


@pytest.mark.parametrize("std", [0.02, 0.1, 0.25])
def test_an_average_has_the_width_that_is_asked_for(std):
  steps = 4000
  weights, times = profile(std, steps), np.arange(1, steps + 1) / steps
  mean = weights @ times
  assert weights.sum() == pytest.approx(1, abs=1e-4)
  width = np.sqrt(weights @ np.square(times - mean))
  assert width == pytest.approx(std, rel=0.01)


def test_widths_in_range_have_a_power():
  low, high = map(power_gamma, STD_RANGE)
  assert low > 900 and 0 < high < 1
  # EDM2's example.
  assert power_gamma(0.05) == pytest.approx(16.97, abs=0.01)


def test_combined_profiles_come_near_the_one_asked_for():
  steps = list(range(100, 4001, 100))
  gammas = power_gamma(OWN), power_gamma(WANTED)
  weights, error = combination(steps, *gammas)
  found = np.zeros(steps[-1])
  for step, weight in zip(steps, weights, strict=True):
    found[:step] += weight * profile(OWN, step)
  want = profile(WANTED, steps[-1])
  left = np.linalg.norm(found - want) / np.linalg.norm(want)
  assert left < 0.06 and error == pytest.approx(left, abs=0.01)
  assert weights.sum() == pytest.approx(1)
  alone, error = combination(steps, gammas[0], gammas[0])
  np.testing.assert_allclose(alone, [*[0] * (len(steps) - 1), 1], atol=1e-6)
  assert error < 1e-5


@functools.partial(jax.jit, static_argnums=1)
def more_steps(state, optimizer, key):
  """EVERY steps with drawn gradients, which the average has no part in."""

  def step(state, key):
    gradients = {"kernel": jax.random.normal(key, (16,)) + 0.5}
    return train_state.apply_gradients(state, gradients, optimizer)[0], None

  return jax.lax.scan(step, state, jax.random.split(key, EVERY))[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """A workdir of checkpoints; the parameters and averages that it ends with."""
  folder, ended = tmp_path_factory.mktemp("run"), {}
  for std in (OWN, WANTED):
    optimizer = Optimizer(
      schedule="constant", warmup_steps=0, learning_rate=0.1, ema_std=std
    )
    state = train_state.at_start({"kernel": jnp.zeros(16)}, optimizer)
    with Checkpointer(folder, every=EVERY, keep=SNAPSHOTS) as saver:
      for n in range(SNAPSHOTS):
        state = more_steps(state, optimizer, jax.random.key(n))
        if std == OWN:
          saver.save(int(state.step), state, {}, {}, force=True)
          saver.wait()
    ended[std] = jax.device_get(state)
  write_json(folder / "config.json", {"optimizer": {"ema_std": OWN}})
  return folder, ended


def test_what_is_combined_is_what_would_have_been_tracked(
  run, tmp_path, capsys
):
  folder, ended = run
  out, report = tmp_path / "out", tmp_path / "report.json"
  assert not scenetok.main(
    ["average", f"--workdir={folder}", f"--std={WANTED}", f"--out={out}",
     f"--json={report}"]
  )  # fmt: skip
  told = capsys.readouterr().out
  assert f"step {EVERY * SNAPSHOTS}, of {SNAPSHOTS} checkpoints" in told
  found = np.asarray(restore_params(out)["kernel"])
  want, own = (ended[std].ema["kernel"] for std in (WANTED, OWN))
  assert np.abs(found - want).max() < 0.25 * np.abs(own - want).max()
  assert json.loads(report.read_text())["error"] < 0.2
  config = json.loads((out / "config.json").read_text())
  assert config == {"optimizer": {"ema_std": OWN}}


def test_the_first_average_is_the_parameters(run):
  _, ended = run
  assert np.array_equal(
    ended[OWN].params["kernel"], ended[WANTED].params["kernel"]
  )
  optimizer = Optimizer(ema_std=OWN)
  state = train_state.at_start({"a": jnp.ones(2)}, optimizer)
  new, _ = train_state.apply_gradients(state, {"a": jnp.ones(2)}, optimizer)
  np.testing.assert_array_equal(new.ema["a"], new.params["a"])


def test_runs_that_cannot_be_averaged_are_told(run, tmp_path):
  for text, config in (
    ("ema_std: not set", {"optimizer": {"ema_decay": 0.9}}),
    ("0 checkpoints, 2 or more", {"optimizer": {"ema_std": 0.05}}),
  ):
    write_json(tmp_path / "config.json", config)
    with pytest.raises(InputError, match=text):
      average(tmp_path, 0.1, tmp_path / "out")
  broken = tmp_path / "broken"
  shutil.copytree(run[0], broken)
  for file in (broken / "checkpoints" / f"{2 * EVERY}" / "state").glob("d/*"):
    file.write_bytes(b"")
  with pytest.raises(InputError, match=rf"checkpoints/{2 * EVERY}: damaged"):
    average(broken, 0.1, tmp_path / "out")
  with pytest.raises(InputError, match=r"ema_std: one average"):
    Optimizer(ema_decay=0.9, ema_std=0.1)
  assert not (tmp_path / "out").exists()
