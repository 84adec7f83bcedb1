"""A digest tells apart whatever differs."""

import numpy as np

from scenetok_jax.sampling.digest import digest


def test_a_digest_sees_values_shapes_names_and_text():
  base = digest({"a": np.zeros(4, np.float32)}, "x")
  others = (
    digest({"a": np.ones(4, np.float32)}, "x"),
    digest({"a": np.zeros((2, 2), np.float32)}, "x"),
    digest({"b": np.zeros(4, np.float32)}, "x"),
    digest({"a": np.zeros(4, np.float32)}, "y"),
  )
  assert len({base, *others}) == 5
  assert base == digest({"a": np.zeros(4, np.float32)}, "x")
