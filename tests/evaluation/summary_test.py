"""Sums over scenes do not depend on order or hosts, and equal the pooled."""

import numpy as np
import pytest

from scenetok_jax.evaluation.batches import SceneSource, batches
from scenetok_jax.evaluation.scores import SceneResult
from scenetok_jax.evaluation.store import once
from scenetok_jax.evaluation.summary import summarize
from scenetok_jax.metrics import frechet

SOME = {"resamples": 50, "set_resamples": 4}


def results(scenes: int = 8, samples: int = 5) -> list[SceneResult]:
  found = []
  for i in range(scenes):
    rng = np.random.default_rng(i)
    features = {
      f"fid/{who}": (rng.normal(size=(samples, 6)) + shift).astype(np.float32)
      for who, shift in (("real", 0), ("sampled", 0.5), ("codec_ceiling", 0.1))
    }
    scores = {"psnr": 20 + rng.normal(), "wrong_scene_psnr": 15.0}
    found.append(SceneResult(f"s{i}", scores, samples, 1.0, features))
  return found


def test_the_order_of_scenes_does_not_matter():
  shuffled = [results()[i] for i in np.random.default_rng(1).permutation(8)]
  assert summarize(shuffled, "r", **SOME) == summarize(results(), "r", **SOME)


@pytest.mark.parametrize("hosts", [2, 4])
def test_hosts_add_up_to_the_same_numbers(hosts):
  def source(key):
    return SceneSource(key, 1, 1, key, lambda: None)

  by_key = {result.key: result for result in results()}
  jobs = batches([source(key) for key in by_key], 2)
  parts = [
    by_key[scene.key]
    for i in reversed(range(hosts))
    for batch in jobs[i::hosts]
    for scene in batch.scenes
  ]
  assert summarize(once(parts), "r", **SOME) == summarize(
    results(), "r", **SOME
  )


def test_fid_is_that_of_all_frames_together():
  found = summarize(results(), "r", **SOME)
  pools = [
    np.concatenate([r.features[f"fid/{who}"] for r in results()])
    for who in ("real", "sampled", "codec_ceiling")
  ]
  real, sampled, ceiling = map(frechet.statistics, pools)
  expected = frechet.distance(real, sampled)
  assert found["rfid"] == pytest.approx(expected, rel=1e-9)
  assert found["codec_ceiling_rfid"] == pytest.approx(
    frechet.distance(real, ceiling), rel=1e-9
  )
  assert found["codec_ceiling_rfid"] < found["rfid"]


def test_intervals_hold_the_mean_and_name_every_score():
  found = summarize(results(), "r", **SOME)
  low, high = found["confidence_intervals"]["psnr"]
  assert low < found["psnr"] < high
  assert {"rfid", "codec_ceiling_rfid"} <= found["confidence_intervals"].keys()


def test_a_set_of_one_sample_has_no_distance_and_says_why():
  found = summarize(results(1, 1), "r", **SOME)
  assert "rfid" not in found
  assert "fewer than two samples" in found["impossible_metrics"]["rfid"]
  assert found["conditioning_gap_db"] is None


def test_generated_scenes_are_named_so():
  assert "gfid" in summarize(results(), "g", **SOME)


def test_scenes_shorter_than_a_clip_have_no_fvd_and_say_why():
  names = ("fid", "fvd", "lpips")
  found = summarize(results(), "r", names, **SOME)
  assert "rfvd" not in found and found["rfid"] > 0
  assert found["impossible_metrics"].keys() == {"rfvd"}
  assert "16 frames of a clip" in found["impossible_metrics"]["rfvd"]
