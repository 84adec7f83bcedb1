"""Steps are reused where residuals hardly change, never the first or last."""

import numpy as np
import pytest

from scenetok_jax.flow.caching import reused_steps


def test_equal_sizes_are_reused_three_times_in_a_row():
  reused = reused_steps(np.ones(15), 0.0)
  kept = "cccrrrcrrrcrrrc"
  assert reused.tolist() == [step == "r" for step in kept]


def test_an_error_sums_what_products_of_ratios_deviate():
  ratios = np.array([1, 1, 1.02, 0.99, 1.1, 1, 1, 1])
  # After the two that are always computed: 0.02, 0.0298 in all, then 0.1406.
  assert reused_steps(ratios, 0.03).tolist() == [
    *(False, False, True, True, False, True, True, False)
  ]
  assert not reused_steps(ratios, 0.01)[:5].any()


@pytest.mark.parametrize("steps", [1, 2, 3, 25])
@pytest.mark.parametrize("error", [0.0, 0.1, 1e9])
def test_the_first_and_the_last_step_are_computed(steps, error):
  ratios = 1 + 0.01 * np.random.default_rng(steps).standard_normal(steps)
  reused = reused_steps(ratios, error, most=100)
  assert not reused[0] and not reused[-1]
  assert not reused[: int(np.ceil(0.2 * steps))].any()


def test_a_larger_error_computes_no_more():
  ratios = 1 + 0.03 * np.random.default_rng(0).standard_normal(50)
  counts = [reused_steps(ratios, e).sum() for e in (0, 0.02, 0.05, 0.1, 1)]
  assert counts == sorted(counts) and counts[0] == 0 and counts[-1] > 25
