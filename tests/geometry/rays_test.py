"""Ray maps and their grouping into latents."""

import functools

import einops
import jax
import numpy as np
import pytest

from scenetok_jax.geometry import rays
from scenetok_jax.geometry.cameras import relative_to
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.types import Cameras, InputError
from tests.geometry.poses import cameras, random_poses
from tests.goldens import assert_close, load_case
from tests.networks import quick_jit


def test_rays_hit_the_pixels_they_come_from():
  views = cameras(random_poses(0, 2, 3))
  encoded = np.asarray(rays.ray_map(views, 4, 6))
  assert encoded.shape == (2, 3, 4, 6, 6) and encoded.dtype == np.float32
  direction, origin = encoded[..., :3], encoded[..., 3:]
  np.testing.assert_allclose(np.linalg.norm(direction, axis=-1), 1, atol=3e-6)
  point = einops.rearrange(origin + 3 * direction, "b v h w c -> b v h w c 1")
  pose = views.extrinsics[:, :, None, None]
  local = np.linalg.inv(pose[..., :3, :3]) @ (point - pose[..., :3, 3:])
  pixel = (views.intrinsics[:, :, None, None] @ local)[..., 0]
  pixel = pixel[..., :2] / pixel[..., 2:]
  x, y = np.meshgrid((np.arange(6) + 0.5) / 6, (np.arange(4) + 0.5) / 4)
  expected = np.broadcast_to(np.stack([x, y], -1), pixel.shape)
  np.testing.assert_allclose(pixel, expected, atol=1e-5)


def test_plucker_moment_is_the_same_for_every_point_of_the_ray():
  views = cameras(random_poses(1, 3))
  line = np.asarray(rays.ray_map(views, 5, 5, encoding="plucker"))
  ray = np.asarray(rays.ray_map(views, 5, 5))
  direction, origin = ray[..., :3], ray[..., 3:]
  np.testing.assert_allclose(line[..., :3], direction)
  moment = np.cross(origin + 7 * direction, direction)
  np.testing.assert_allclose(line[..., 3:], moment, atol=2e-5)


def test_rays_in_the_cameras_axes_know_no_pose():
  views = cameras(random_poses(2, 2))
  eye = np.broadcast_to(np.eye(4, dtype=np.float32), views.extrinsics.shape)
  still = rays.ray_map(Cameras(eye, views.intrinsics), 3, 4)
  found = rays.ray_map(views, 3, 4, encoding="camera")
  assert found.shape[-1] == 3
  np.testing.assert_allclose(found, still[..., :3], atol=1e-6)


def test_origin_first_swaps_the_halves():
  views = cameras(random_poses(2, 2))
  plain = rays.ray_map(views, 3, 3)
  swapped = rays.ray_map(views, 3, 3, origin_first=True)
  np.testing.assert_array_equal(
    swapped, np.concatenate([plain[..., 3:], plain[..., :3]], -1)
  )


def test_scale_multiplies_focal_lengths_and_leaves_the_argument_alone():
  views = cameras(random_poses(3, 2))
  before = np.array(views.intrinsics)
  scaled = rays.ray_map(views, 3, 4, scale=(0.5, 2.0))
  np.testing.assert_array_equal(views.intrinsics, before)
  factors = np.array([[0.5, 1, 1], [1, 2, 1], [1, 1, 1]], np.float32)
  direct = rays.ray_map(Cameras(views.extrinsics, before * factors), 3, 4)
  np.testing.assert_allclose(scaled, direct, atol=1e-6)


def test_ray_map_has_finite_gradients_through_jit():
  views = cameras(random_poses(4, 2))

  def total(poses):
    relative = relative_to(Cameras(poses, views.intrinsics), poses[0])
    return rays.ray_map(relative, 4, 4, normalize=True).sum()

  gradient = jax.jit(jax.grad(total))(views.extrinsics)
  assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_unknown_encoding_is_refused():
  with pytest.raises(InputError, match="encoding"):
    rays.ray_map(cameras(random_poses(5, 1)), 2, 2, encoding="fourier")


def _reference(case, run) -> np.ndarray:
  outputs = case.run(run["prefix"], "outputs")
  if run["op"] == "image_rays":
    halves = [outputs["directions"], outputs["origins"]]
    outputs["encoding"] = np.concatenate(halves, axis=2)
  return einops.rearrange(outputs["encoding"], "b v c h w -> b v h w c")


def test_matches_release_ray_maps():
  case = load_case("rays")
  for run in case.config["runs"]:
    inputs = case.run(run["prefix"])
    compute = functools.partial(
      rays.ray_map,
      height=run["shape"][0],
      width=run["shape"][1],
      encoding="plucker" if run["op"] == "plucker" else "ray",
      normalize=run["normalize"],
      origin_first=run["origin_first"],
      scale=tuple(run["scale"]),
    )
    encoded = quick_jit(compute)(
      Cameras(inputs["extrinsics"], inputs["intrinsics"])
    )
    if run["temporal_downsample"] > 1:
      grouping = Grouping(run["temporal_downsample"], run["using_wan"])
      encoded = grouping.group(encoded)
    assert_close(encoded, _reference(case, run), 1e-6)
