"""Slices cover a run once, in order; tables are padded where none looks."""

import numpy as np

from scenetok_jax.sampling.slices import pad_rows, run_slices


def test_slices_cover_every_step_once():
  seen, saved = [], []

  def run(state, first, last):
    seen.extend(range(first, last))
    return state + (last - first)

  state = run_slices(
    run, 4, 50, first=4, save=lambda state, done: saved.append((state, done))
  )
  assert state == 50
  assert seen == list(range(4, 50))
  assert all(state == done for state, done in saved)


def test_a_finished_run_does_nothing():
  assert run_slices(lambda *args: 1 / 0, "x", 3, first=3) == "x"


def test_rows_are_padded_to_a_power_of_two():
  (padded,) = pad_rows((np.arange(9.0),), least=4)
  assert len(padded) == 16
  np.testing.assert_array_equal(padded[:9], np.arange(9.0))
  assert len(pad_rows(np.zeros((3, 2)), least=8)) == 8
