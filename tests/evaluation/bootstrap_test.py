"""Bootstrap intervals cover the mean and ignore the order of scenes."""

import numpy as np
import pytest

from scenetok_jax.evaluation.bootstrap import mean_interval, pooled_interval
from scenetok_jax.types import InputError


def _scores(count, seed=0):
  values = np.random.default_rng(seed).normal(20, 2, count)
  return {f"scene{i:03}": float(v) for i, v in enumerate(values)}


def test_width_is_the_normal_theorys():
  scores = _scores(200)
  interval = mean_interval(scores)
  values = np.array(list(scores.values()))
  error = values.std() / np.sqrt(200)
  assert interval.value == pytest.approx(values.mean())
  assert interval.low == pytest.approx(values.mean() - 1.96 * error, rel=5e-3)
  assert interval.high == pytest.approx(values.mean() + 1.96 * error, rel=5e-3)
  assert interval.scenes == 200


def test_it_covers_the_truth_about_as_often_as_it_says():
  hits = 0
  for seed in range(200):
    interval = mean_interval(_scores(30, seed), resamples=300)
    hits += interval.low <= 20 <= interval.high
  assert 178 <= hits <= 198


def test_order_does_not_matter_and_the_seed_does():
  scores = _scores(20)
  backwards = dict(reversed(scores.items()))
  assert mean_interval(scores) == mean_interval(backwards)
  assert mean_interval(scores).low != mean_interval(scores, seed=1).low


def test_one_scene_has_no_spread_and_infinities_no_nan():
  interval = mean_interval({"a": 3.0})
  assert interval.low == interval.value == interval.high == 3.0
  interval = mean_interval({"a": np.inf, "b": 20.0, "c": 21.0})
  assert interval.value == interval.high == np.inf and interval.low < 21


def test_pooled_statistics_are_resampled_by_scene():
  parts = {f"s{i}": np.full(5, float(i)) for i in range(10)}

  def statistic(chosen):
    return float(np.median(np.concatenate(chosen)))

  interval = pooled_interval(parts, statistic, resamples=200)
  assert interval.value == 4.5 and interval.low < 4.5 < interval.high
  shuffled = dict(reversed(parts.items()))
  assert pooled_interval(shuffled, statistic, resamples=200) == interval


def test_bad_input_is_refused():
  with pytest.raises(InputError, match="0 scenes"):
    mean_interval({})
  with pytest.raises(InputError, match="scene b is not a number"):
    mean_interval({"a": 1.0, "b": np.nan})
