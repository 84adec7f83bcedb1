"""Live views: what a clip of the same shape shows, without compiling again."""

import dataclasses

import numpy as np
import pytest

from scenetok_jax import Cameras, InputError, SceneTok
from scenetok_jax.geometry.scale import rescaled
from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.live import LiveRenderer
from tests.cli import workdirs
from tests.geometry.poses import cameras, ring

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
CAMERAS = cameras(ring(3), 0.7)
PATH = cameras(ring(8), 0.9)


def one(index):
  return Cameras(*(a[index : index + 1] for a in _arrays(PATH)))


def _arrays(cameras):
  return cameras.extrinsics, cameras.intrinsics


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  folder = tmp_path_factory.mktemp("live")
  return SceneTok.from_pretrained(workdirs.stage1(folder / "stage1"))


@pytest.fixture(scope="module")
def scene(model):
  return model.encode(IMAGES, CAMERAS)


@pytest.fixture(scope="module")
def renderer(model):
  found = LiveRenderer(model)
  found.warm()
  return found


def test_a_view_is_a_clip_of_the_fewest_latents(model, scene, renderer):
  live = renderer.open(scene)
  view = renderer.render(live, one(2), SamplingChanges(steps=2), seed=5)
  assert view.image.dtype == np.uint8 and view.image.shape == (64, 64, 3)
  assert set(view.milliseconds) == {"camera", "steps", "decode"}
  # A model whose windows are that short renders the same.
  short = dataclasses.replace(model, programs={})
  short.config.sampling.unlock()
  before = dict(short.config.sampling)
  try:
    short.config.sampling.update({"window": 1, "overlap": 0})
    video = short.render(scene, one(2), steps=2, seed=5)
  finally:
    short.config.sampling.update(before)
  assert np.abs(video[0].astype(int) - view.image).max() <= 1


def test_a_view_follows_a_scene_of_another_unit(model, scene, renderer):
  far = model.encode(IMAGES, rescaled(CAMERAS, 8.0), rescale=0.125)
  near, there = renderer.open(scene), renderer.open(far)
  for index in (0, 5):
    np.testing.assert_array_equal(
      renderer.render(there, rescaled(one(index), 8.0)).image,
      renderer.render(near, one(index)).image,
    )


def test_views_differ_by_camera_seed_and_scene(model, scene, renderer):
  live = renderer.open(scene)
  first = renderer.render(live, one(0)).image
  np.testing.assert_array_equal(first, renderer.render(live, one(0)).image)
  other = renderer.open(model.encode(IMAGES[::-1], CAMERAS))
  for view in (
    renderer.render(live, one(4)),
    renderer.render(live, one(0), seed=1),
    renderer.render(other, one(0)),
  ):
    assert np.any(view.image != first)


def test_nothing_is_compiled_for_another_camera_scene_or_step_count(
  model, scene, renderer, compilations
):
  other = model.encode(IMAGES[::-1], CAMERAS)
  renderer.render(renderer.open(scene), one(0), SamplingChanges(steps=1))
  compilations.clear()
  live = renderer.open(other)
  for index, steps in enumerate((1, 3, 1, 7)):
    renderer.render(live, one(index), SamplingChanges(steps=steps))
  assert not compilations


def test_guidance_changes_a_view(scene, renderer):
  live = renderer.open(scene)
  plain = renderer.render(live, one(0)).image
  guided = renderer.render(live, one(0), SamplingChanges(guidance=4.0)).image
  assert np.any(guided != plain)


def test_map_coordinates_do_not_matter(model, scene, renderer):
  offset = np.zeros((4, 4))
  offset[:3, 3] = [448262.5, 5411932.25, 120.0]
  far = model.encode(
    IMAGES, Cameras(CAMERAS.extrinsics + offset, CAMERAS.intrinsics)
  )
  there = Cameras(one(2).extrinsics + offset, one(2).intrinsics)
  near = renderer.render(renderer.open(scene), one(2)).image.astype(int)
  moved = renderer.render(renderer.open(far), there).image
  assert np.abs(moved - near).max() <= 2


def test_a_pause_between_steps_ends_a_view(scene, renderer):
  class Enough(Exception):
    pass

  calls = []

  def pause():
    calls.append(0)
    if len(calls) == 2:
      raise Enough

  live = renderer.open(scene)
  with pytest.raises(Enough):
    renderer.render(live, one(0), SamplingChanges(steps=5), pause=pause)
  renderer.render(live, one(0), SamplingChanges(steps=1), pause=pause)
  assert len(calls) == 2


@pytest.mark.parametrize(
  ("change", "told"),
  [
    (lambda s: dataclasses.replace(s, model="x"), "another checkpoint"),
    (lambda s: dataclasses.replace(s, codec="x"), "another codec"),
  ],
)
def test_scenes_of_others_are_refused(scene, renderer, change, told):
  with pytest.raises(InputError, match=told):
    renderer.open(change(scene))


def test_no_camera_is_refused(scene, renderer):
  live = renderer.open(scene)
  with pytest.raises(InputError, match="2 cameras, not one"):
    renderer.render(live, Cameras(*(a[:2] for a in _arrays(PATH))))
  broken = np.array(one(0).extrinsics)
  broken[0, 0, 0] = np.nan
  with pytest.raises(InputError, match="camera"):
    renderer.render(live, Cameras(broken, one(0).intrinsics))
