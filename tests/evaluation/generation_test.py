"""Generated scenes: the same for the same batch, and baselines of their own."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from scenetok_jax.evaluation.batches import EvaluationScene, batches, in_memory
from scenetok_jax.evaluation.evaluator import EvaluationOptions
from scenetok_jax.evaluation.generation import generation
from scenetok_jax.evaluation.measures import (
  CEILING,
  SHUFFLED_POSE,
  UNCONDITIONAL,
)
from scenetok_jax.evaluation.scores import (
  SceneResult,
  check_finite,
  scene_result,
)
from scenetok_jax.sampling.options import GenerateOptions, RenderOptions
from scenetok_jax.types import Cameras, InputError, Views
from tests.sampling.models import tiny

OPTIONS = EvaluationOptions(RenderOptions(steps=2, window=4, overlap=2), 2)
TOKENS = GenerateOptions(steps=2)


def scene(key: str, model, frames: int = 6) -> EvaluationScene:
  rng = np.random.default_rng(ord(key))
  size = model.image_size
  images = rng.integers(0, 255, (frames, size, size, 3), dtype=np.uint8)
  poses = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
  poses[:, :3, 3] = rng.normal(size=(frames, 3))
  lens = np.tile(np.diag([0.8, 0.8, 1]).astype(np.float32), (frames, 1, 1))

  def take(count):
    cameras = Cameras(poses[:count], lens[:count])
    return Views(images=images[:count], cameras=cameras)

  return EvaluationScene(key, take(1), take(frames), np.arange(frames) > 0)


@pytest.fixture(scope="module")
def found():
  model, params = tiny("generator")
  program = functools.partial(generation(model, OPTIONS, TOKENS, 3), params)
  (batch,) = batches([in_memory(scene(key, model)) for key in "ab"], 2)
  return program, batch, list(program(batch))


def test_every_scene_has_frames_and_baselines_of_their_own(found):
  _, _, generated = found
  assert [g.scene.key for g in generated] == ["a", "b"]
  for one in generated:
    assert set(one.images) == {
      "sampled", SHUFFLED_POSE, UNCONDITIONAL, CEILING
    }  # fmt: skip
    shapes = {images.shape for images in one.images.values()}
    assert shapes == {np.asarray(one.scene.target.images).shape}
    assert 0 < one.generation_seconds < one.seconds
  sampled = [g.images["sampled"] for g in generated]
  assert not np.array_equal(*sampled)
  for name in (SHUFFLED_POSE, UNCONDITIONAL):
    assert not np.array_equal(sampled[0], generated[0].images[name])


def test_a_batch_gives_the_same_again(found):
  program, batch, generated = found
  for before, now in zip(generated, program(batch), strict=True):
    for name, images in before.images.items():
      np.testing.assert_array_equal(images, now.images[name])


def test_a_lone_scene_has_no_other_poses(found):
  program, batch, generated = found
  lone = dataclasses.replace(batch, scenes=batch.scenes[:1])
  (one,) = program(lone)
  assert set(one.images) == {"sampled", UNCONDITIONAL, CEILING}
  np.testing.assert_array_equal(
    one.images["sampled"], generated[0].images["sampled"]
  )


def test_features_are_kept_for_every_set(found):
  _, _, generated = found
  networks = {"fd_vgg": lambda images: images[:, 0, 0].astype(np.float32)}
  result = scene_result(generated[0], networks)
  assert set(result.features) == {
    "fd_vgg/real", "fd_vgg/sampled", f"fd_vgg/{SHUFFLED_POSE}",
    f"fd_vgg/{UNCONDITIONAL}", "fd_vgg/codec_ceiling",
  }  # fmt: skip
  assert result.generation_seconds == generated[0].generation_seconds
  assert set(result.scores) == {"codec_ceiling_psnr"}


def test_what_is_not_finite_names_its_scene(found):
  program, batch, _ = found
  _, params = tiny("generator")
  spoilt = jax.tree.map(lambda x: x * np.float32("nan"), params["decoder"])
  predict = program.func
  with pytest.raises(InputError, match=r"scene a: sampled: .* is NaN or Inf"):
    list(predict({**params, "decoder": spoilt}, batch))


def test_scores_that_are_not_finite_name_their_scene(found):
  _, _, generated = found
  one = generated[0]
  same = one.images[CEILING]
  truth = dataclasses.replace(one.scene.target, images=same)
  equal = dataclasses.replace(one.scene, target=truth)
  scores = scene_result(dataclasses.replace(one, scene=equal), {}).scores
  assert scores["codec_ceiling_psnr"] == np.inf  # rightly
  functions = {"fid": lambda images: np.full((len(images), 2), np.nan)}
  with pytest.raises(InputError, match=r"scene a: fid/.*fid/sampled.*: NaN"):
    scene_result(one, functions)
  with pytest.raises(InputError, match="scene a: ssim, lpips: NaN or Inf"):
    scores = {"ssim": np.nan, "psnr": 3.0, "lpips": np.inf}
    check_finite(SceneResult("a", scores, 1, 0.0))
