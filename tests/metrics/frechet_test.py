"""The Frechet distance is exact, and its statistics merge in any order."""

import numpy as np
import pytest
import scipy.linalg

from scenetok_jax.metrics import frechet
from scenetok_jax.parity.case import read_case
from scenetok_jax.parity.metrics import frechet_distance
from scenetok_jax.types import InputError
from tests.goldens import case_dir


def _features(count, dimensions, seed=0, shift=0.0):
  rng = np.random.default_rng(seed)
  mixing = np.random.default_rng(99).normal(size=(dimensions, dimensions))
  return rng.normal(size=(count, dimensions)) @ mixing + shift


def _covariance(found):
  return found.factor.T @ found.factor / (found.count - 1)


def _textbook(a, b):
  """By the square root of the covariances' product."""
  gap = a.mean(0) - b.mean(0)
  ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
  root = scipy.linalg.sqrtm(ca @ cb).real
  return gap @ gap + np.trace(ca + cb - 2 * root)


def test_equals_the_textbook_formula():
  a, b = _features(200, 8), _features(150, 8, 1, shift=0.3)
  ours = frechet.distance(frechet.statistics(a), frechet.statistics(b))
  np.testing.assert_allclose(ours, _textbook(a, b), rtol=1e-9)


def test_fewer_samples_than_dimensions_are_exact():
  # Eight clips' worth of 400 scores, made of 7 directions: the textbook
  # formula in these directions is of full rank.
  basis = np.linalg.qr(np.random.default_rng(5).normal(size=(400, 5)))[0].T
  a, b = _features(8, 5), _features(8, 5, 1, shift=0.5)
  ours = frechet.distance(
    frechet.statistics(a @ basis), frechet.statistics(b @ basis)
  )
  np.testing.assert_allclose(ours, _textbook(a, b), rtol=1e-8)


@pytest.mark.parametrize("count", [2, 8, 60])
def test_identical_sets_are_at_distance_zero(count):
  one = frechet.statistics(_features(count, 40, shift=100.0))
  distance = frechet.distance(one, one)
  scale = np.trace(_covariance(one))
  assert 0 <= distance <= 1e-12 * scale


@pytest.mark.parametrize("hosts", [1, 2, 4])
def test_hosts_and_order_do_not_matter(hosts):
  # 10 dimensions and scenes of 7: factors are reduced on the way.
  scenes = [_features(7, 10, seed, shift=seed / 10) for seed in range(12)]
  whole = frechet.statistics(np.concatenate(scenes))
  order = np.random.default_rng(hosts).permutation(12)
  parts = [
    frechet.merge([frechet.statistics(scenes[i]) for i in order[rank::hosts]])
    for rank in range(hosts)
  ]
  merged = frechet.merge(parts)
  assert merged.count == 84 and len(merged.factor) <= 20
  np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-13)
  np.testing.assert_allclose(
    _covariance(merged), _covariance(whole), rtol=1e-11, atol=1e-12
  )
  np.testing.assert_allclose(
    _covariance(merged), np.cov(np.concatenate(scenes), rowvar=False), rtol=1e-9
  )
  other = frechet.statistics(_features(30, 10, 77))
  np.testing.assert_allclose(
    frechet.distance(merged, other), frechet.distance(whole, other), rtol=1e-10
  )


def test_a_large_mean_does_not_eat_the_spread():
  features = _features(50, 6, shift=1e6)
  parts = [frechet.statistics(rows) for rows in np.split(features, 5)]
  np.testing.assert_allclose(
    _covariance(frechet.merge(parts)), np.cov(features, rowvar=False), rtol=1e-6
  )


def test_bad_input_is_refused():
  one = frechet.statistics(_features(4, 3))
  with pytest.raises(InputError, match="1 samples on one side"):
    frechet.distance(one, frechet.statistics(_features(1, 3)))
  with pytest.raises(InputError, match="3 and 4 dimensions"):
    frechet.distance(one, frechet.statistics(_features(4, 4)))
  with pytest.raises(InputError, match="one number of dimensions"):
    frechet.merge([one, frechet.statistics(_features(4, 4))])
  with pytest.raises(InputError, match=r"\[B D\]"):
    frechet.statistics(np.zeros(3))
  with pytest.raises(InputError, match=r"\[0, 3\]"):
    frechet.statistics(np.zeros((0, 3)))
  broken = _features(4, 3)
  broken[2, 1] = np.nan
  with pytest.raises(InputError, match=r"1 samples are not finite.*number 2"):
    frechet.statistics(broken)


def test_reference_distances():
  case = read_case(case_dir("frechet_distance"))
  limit = case.config["suggested_atol_vs_exact"]
  found = frechet_distance(case)
  exact = {name for name in case.outputs if name.endswith("_exact")}
  assert "features_exact" in exact and len(exact) > 2
  for name in exact:
    assert abs(found[name] - case.outputs[name]) < limit, name
