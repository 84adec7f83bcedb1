"""Camera paths by name or file, as render and generate take them."""

import json

import numpy as np
import pytest

from scenetok_jax.geometry.cameras import from_opengl
from scenetok_jax.sampling import paths
from scenetok_jax.sampling.paths import PathOptions
from scenetok_jax.types import InputError
from tests.geometry.poses import cameras, ring

FRAMES = 13
CONTEXT = cameras(ring(5), 0.7)
CLIP = cameras(ring(FRAMES), 0.9)
POINT = np.array([0.5, 0.0, 1.0])  # that the ring looks at
LOOSE = {"rtol": 0, "atol": 1e-5}


def through(name, clip=None, **options):
  options = PathOptions(**{"frames": FRAMES, **options})
  return paths.through_scene(name, clip, CONTEXT, options)


def positions(path):
  return np.asarray(path.cameras.extrinsics)[:, :3, 3]


@pytest.mark.parametrize(
  "name", [name for name in paths.SCENE_PATHS if name != "clip"]
)
def test_every_path_is_rigid_of_the_asked_length_and_has_the_middle_lens(name):
  path = through(name)
  turns = np.asarray(path.cameras.extrinsics)[:, :3, :3]
  assert path.name == name and path.clip_frames is None
  assert len(turns) == FRAMES
  np.testing.assert_allclose(np.linalg.det(turns), 1.0, **LOOSE)
  np.testing.assert_allclose(
    turns @ np.swapaxes(turns, 1, 2),
    np.tile(np.eye(3), (FRAMES, 1, 1)),
    **LOOSE,
  )
  np.testing.assert_array_equal(
    path.cameras.intrinsics, np.tile(CONTEXT.intrinsics[2], (FRAMES, 1, 1))
  )


@pytest.mark.parametrize("name", ["context", "spline"])
def test_interpolations_pass_through_every_context_view(name):
  found = np.asarray(through(name).cameras.extrinsics)
  np.testing.assert_allclose(found[:: FRAMES // 4], CONTEXT.extrinsics, **LOOSE)


def test_a_spline_has_no_corners_where_straight_lines_have():
  def bend(name):
    moves = np.diff(positions(through(name, frames=49)), axis=0)
    return np.linalg.norm(np.diff(moves, axis=0), axis=-1).max()

  assert bend("spline") < 0.5 * bend("context")


def test_an_orbit_keeps_its_distance_and_turns_by_the_asked_angle():
  for degrees in (90.0, -45.0):
    arms = positions(through("orbit", degrees=degrees)) - POINT
    np.testing.assert_allclose(np.linalg.norm(arms, axis=-1), 2.0, **LOOSE)
    cosine = arms[0] @ arms[-1] / 4.0
    np.testing.assert_allclose(cosine, np.cos(np.radians(degrees)), **LOOSE)


def test_a_dolly_moves_the_middle_view_ahead():
  found = positions(through("dolly", distance=0.5))
  start = CONTEXT.extrinsics[2]
  np.testing.assert_allclose(found[0], start[:3, 3], **LOOSE)
  np.testing.assert_allclose(found[-1] - found[0], 0.5 * start[:3, 2], **LOOSE)


def test_lateral_moves_the_captured_path_to_its_right():
  path = through("lateral", clip=CLIP, distance=0.25)
  moved = positions(path) - CLIP.extrinsics[:, :3, 3]
  np.testing.assert_allclose(moved, 0.25 * CLIP.extrinsics[:, :3, 0], **LOOSE)
  without = positions(through("lateral", distance=0.25))
  spline = np.asarray(through("spline").cameras.extrinsics)
  np.testing.assert_allclose(
    without, spline[:, :3, 3] + 0.25 * spline[:, :3, 0], **LOOSE
  )


def test_the_clip_keeps_its_own_lenses_and_frame_numbers():
  path = through("clip", clip=CLIP, frames=4)
  np.testing.assert_array_equal(path.clip_frames, np.arange(4))
  np.testing.assert_array_equal(path.cameras.extrinsics, CLIP.extrinsics[:4])
  np.testing.assert_array_equal(path.cameras.intrinsics, CLIP.intrinsics[:4])


def test_a_transforms_file_is_a_path(tmp_path):
  file = tmp_path / "transforms.json"
  frames = [
    {"file_path": f"{i}.png", "transform_matrix": pose.tolist()}
    for i, pose in enumerate(from_opengl(CLIP.extrinsics))
  ]
  lens = {"w": 100, "h": 50, "fl_x": 80, "fl_y": 60, "cx": 50, "cy": 25}
  file.write_text(json.dumps({**lens, "frames": frames}))
  path = through(str(file), frames=6)
  np.testing.assert_allclose(
    path.cameras.extrinsics, CLIP.extrinsics[:6], **LOOSE
  )
  np.testing.assert_allclose(path.cameras.intrinsics[0, 0, 0], 0.8)
  with pytest.raises(InputError, match="13 poses, but --frames=14"):
    through(str(file), frames=14)


def test_motions_start_at_the_photo():
  start = CONTEXT.extrinsics[1]
  lens = CONTEXT.intrinsics[0]

  def move(name, **options):
    path = paths.motion(name, start, lens, PathOptions(FRAMES, **options))
    assert len(path.cameras.extrinsics) == FRAMES
    np.testing.assert_allclose(path.cameras.extrinsics[0], start, **LOOSE)
    return np.asarray(path.cameras.extrinsics)

  ahead = move("forward", distance=2.0)[-1, :3, 3] - start[:3, 3]
  np.testing.assert_allclose(ahead, 2.0 * start[:3, 2], **LOOSE)
  look = move("look", degrees=60.0)
  np.testing.assert_allclose(
    look[:, :3, 3], np.tile(start[:3, 3], (FRAMES, 1)), **LOOSE
  )
  cosine = (look[:, :3, 2] @ start[:3, 2]).min()
  assert np.cos(np.radians(30)) - 1e-5 <= cosine < np.cos(np.radians(28))
  orbit = move("orbit", degrees=60.0, distance=2.0)
  np.testing.assert_allclose(
    np.linalg.norm(orbit[:, :3, 3] - POINT, axis=-1), 2.0, **LOOSE
  )
  with pytest.raises(InputError, match="'fly' is not one of"):
    move("fly")


def test_one_context_view_has_no_path_between_views():
  one = cameras(ring(1))
  options = PathOptions(FRAMES)
  for name in ("context", "spline", "lateral"):
    with pytest.raises(InputError, match="one context view; use orbit"):
      paths.through_scene(name, None, one, options)
  assert paths.through_scene("orbit", None, one, options).name == "orbit"


def test_too_few_frames_for_the_views_are_refused():
  with pytest.raises(InputError, match="5 context views takes at least 9"):
    through("context", frames=8)
