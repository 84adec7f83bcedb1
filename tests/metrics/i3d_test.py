"""FVD's I3D equals the reference; clips are cut inside one scene."""

import jax
import numpy as np
import pytest
from einops import rearrange, reduce

from scenetok_jax.metrics import frechet, i3d
from scenetok_jax.metrics.weights import import_tensors
from scenetok_jax.types import InputError
from tests.goldens import assert_close, load_case
from tests.metrics.seeded import seeded_tensors


def test_clips_do_not_overlap_and_drop_the_rest():
  frames = rearrange(np.arange(35), "t -> t 1 1 1")
  clips = i3d.split_clips(frames)
  assert clips.shape == (2, 16, 1, 1, 1)
  np.testing.assert_array_equal(clips.ravel(), np.arange(32))
  assert len(i3d.split_clips(frames, 17)) == 2
  with pytest.raises(InputError, match="15 frames fills no clip"):
    i3d.split_clips(frames[:15])


def test_clips_of_wrong_length_or_shape_are_refused():
  clip = np.zeros((1, 16, 8, 8, 3), np.float32)
  with pytest.raises(InputError, match="at least 9"):
    i3d.features({}, clip[:, :8])
  with pytest.raises(InputError, match="more than one vector"):
    i3d.features({}, np.concatenate([clip, clip], axis=1))
  with pytest.raises(InputError, match=r"\[B T H W 3\]"):
    i3d.features({}, clip[0])


def _clips(array):
  return rearrange(array, "b t c h w -> b t h w c")


@pytest.mark.slow
def test_reference_scores_endpoints_and_distance():
  case = load_case("fvd_i3d")
  tensors = seeded_tensors(case.path)
  params = import_tensors("fvd_i3d", tensors, str(case.path))

  @jax.jit
  def network(params, clips):
    ends = i3d.endpoints(params, clips)
    pooled = ("avg_pool", "logits")
    return {
      name: x if name in pooled else reduce(x, "b t h w c -> b c", "mean")
      for name, x in ends.items()
    }

  sides = {}
  for side in ("gt", "pred"):
    clips = _clips(case.inputs[f"{side}01"])
    found = [network(params, clips[i : i + 1]) for i in range(len(clips))]
    scores = np.concatenate([x["logits"][:, 0] for x in found])
    assert_close(scores, case.outputs[f"logits_{side}"], 1e-4)
    sides[side] = frechet.statistics(scores)
    if side == "gt":
      first = found[0]
      checked = [n for n in first if f"endpoint_{n}_shape" in case.outputs]
      assert len(checked) == 16
      for name in checked:
        want = case.outputs[f"endpoint_{name}_chan_mean_gt0"]
        assert_close(first[name], want, 1e-4)
      pooled = rearrange(np.asarray(first["avg_pool"]), "b t c -> b c t")
      assert_close(pooled, case.outputs["avgpool_gt0"], 1e-4)
  got = frechet.distance(sides["gt"], sides["pred"])
  np.testing.assert_allclose(got, case.outputs["fvd_exact_lowrank"], rtol=1e-5)
  np.testing.assert_allclose(
    got, case.outputs["fvd"], rtol=case.config["suggested_rtol"]
  )
  same = frechet.distance(sides["gt"], sides["gt"])
  assert 0 <= same < 1e-9
  long = network(params, _clips(case.inputs["long01"]))
  scores = long["logits"]
  scores = rearrange(np.asarray(scores), "b t c -> b c t")
  assert_close(scores, case.outputs["logits_long"], 1e-4)
