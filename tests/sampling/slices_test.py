"""Slices cover a run once, in order; tables are padded where none looks."""

import numpy as np

from scenetok_jax.flow.solvers import SolverState
from scenetok_jax.sampling.slices import StateFile, pad_rows, run_slices


def test_slices_cover_every_step_once(tmp_path):
  seen, file = [], StateFile(tmp_path / "state.safetensors", "ours")
  file.save(SolverState(np.float32(4)), 4)

  def run(state, first, last):
    assert file.load() == (state, first)
    seen.extend(range(first, last))
    return SolverState(state.x + np.float32(last - first))

  state = run_slices(run, SolverState(np.float32(0)), 50, file=file)
  assert state.x == 50
  assert seen == list(range(4, 50))
  assert file.load() == (state, 50)


def test_a_finished_run_does_nothing():
  assert run_slices(lambda *args: 1 / 0, "x", 0) == "x"


def test_rows_are_padded_to_a_power_of_two():
  (padded,) = pad_rows((np.arange(9.0),), least=4)
  assert len(padded) == 16
  np.testing.assert_array_equal(padded[:9], np.arange(9.0))
  assert len(pad_rows(np.zeros((3, 2)), least=8)) == 8
