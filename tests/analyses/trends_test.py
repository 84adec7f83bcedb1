"""A trend is decided by ranks."""

import numpy as np
import pytest

from scenetok_jax.analyses.trends import rank_correlation, trend
from scenetok_jax.types import InputError


def test_a_trend_needs_the_right_sign_and_significance():
  levels = [0, 1, 2, 3]
  rising = np.array([[0.1, 0.2, 0.3, 0.5], [0.2, 0.3, 0.4, 0.9]])
  up = trend("rises", levels, rising, 1)
  assert up.holds and up.per_scene == pytest.approx(1.0)
  assert "holds" in up.line() and "8 scene-level pairs" in up.line()
  down = trend("falls", levels, rising, -1)
  assert not down.holds and "DOES NOT HOLD" in down.line()
  noise = np.array([[0.3, 0.1, 0.4, 0.2]])
  assert not trend("rises", levels, noise, 1).holds


@pytest.mark.parametrize("values", [[5, 5, 5], [1, 2, np.nan]])
def test_what_has_no_order_is_refused(values):
  with pytest.raises(InputError, match="have no order"):
    rank_correlation([1, 2, 3], values)
