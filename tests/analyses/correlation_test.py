"""Spearman's correlation sees monotone relations of any shape."""

import numpy as np
import pytest

from scenetok_jax.analyses.correlation import spearman
from scenetok_jax.types import InputError


def test_monotone_is_one_whatever_the_shape():
  x = np.linspace(0, 1, 9)
  assert spearman(x, np.exp(5 * x)).rho == pytest.approx(1)
  assert spearman(x, -(x**3)).rho == pytest.approx(-1)


def test_by_hand_with_a_p_value():
  # Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 * 4 / (4 * 15).
  found = spearman([1, 2, 3, 4], [2, 1, 40, 3])
  assert found.rho == pytest.approx(0.6) and 0 < found.p_value < 1
  assert found.pairs == 4


def test_what_has_no_order_is_refused():
  with pytest.raises(InputError, match="have no order"):
    spearman([1, 2, 3], [5, 5, 5])
  with pytest.raises(InputError, match="at least 3"):
    spearman([1, 2], [1, 2])
  with pytest.raises(InputError, match="not finite"):
    spearman([1, 2, np.nan], [1, 2, 3])
