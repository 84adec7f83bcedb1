"""Procedural rooms: poses, geometry, determinism and free space."""

import subprocess
import sys
import time
import zlib

import numpy as np
import pytest

from data_pipelines.rooms import RoomClip, render_clip
from data_pipelines.rooms.layout import random_room
from data_pipelines.rooms.light import first_hit
from data_pipelines.rooms.path import CLEARANCE, clearance, walk
from data_pipelines.rooms.scene import Block
from scenetok_jax.types import InputError

SCENES = range(6)


@pytest.fixture(scope="module")
def clips() -> list[RoomClip]:
  return [render_clip(3, scene, frames=32, size=48) for scene in SCENES]


def _fields(clip: RoomClip) -> list[np.ndarray]:
  cameras = clip.cameras
  return [clip.images, clip.depth, cameras.extrinsics, cameras.intrinsics]


def test_shapes_and_dtypes(clips):
  images, depth, extrinsics, intrinsics = _fields(clips[0])
  assert images.shape == (32, 48, 48, 3) and images.dtype == np.uint8
  assert depth.shape == (32, 48, 48) and depth.dtype == np.float32
  assert extrinsics.shape == (32, 4, 4) and extrinsics.dtype == np.float32
  assert intrinsics.shape == (32, 3, 3) and intrinsics.dtype == np.float32
  assert len({clip.key for clip in clips}) == len(clips)


def test_same_arguments_give_same_clip_in_this_and_another_process(clips):
  again = render_clip(3, 1, frames=32, size=48)
  for a, b in zip(_fields(again), _fields(clips[1]), strict=True):
    np.testing.assert_array_equal(a, b)
  code = (
    "import zlib; from data_pipelines.rooms.clips import render_clip;"
    "print(zlib.crc32(render_clip(3, 1, 32, 48).images.tobytes()))"
  )
  printed = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True, check=True
  ).stdout
  assert int(printed) == zlib.crc32(clips[1].images.tobytes())


def test_other_scene_or_seed_gives_another_room(clips):
  assert np.abs(clips[0].images.astype(int) - clips[1].images).mean() > 10
  other = render_clip(4, 0, frames=2, size=48).images
  assert np.abs(other.astype(int) - clips[0].images[[0, -1]]).mean() > 10


def test_frames_and_size_only_change_the_sampling(clips):
  coarse = render_clip(3, 2, frames=3, size=24)
  np.testing.assert_array_equal(
    coarse.cameras.extrinsics[[0, 2]], clips[2].cameras.extrinsics[[0, -1]]
  )
  small = clips[2].images[[0, -1]].reshape(2, 24, 2, 24, 2, 3).mean((2, 4))
  assert np.abs(small - coarse.images[[0, 2]]).mean() < 4


def test_poses_are_rigid_nearly_level_and_intrinsics_constant(clips):
  for clip in clips:
    turn = clip.cameras.extrinsics[:, :3, :3]
    product = turn.transpose(0, 2, 1) @ turn
    np.testing.assert_allclose(product, np.tile(np.eye(3), (32, 1, 1)),
                               atol=1e-5)  # fmt: skip
    np.testing.assert_allclose(np.linalg.det(turn), 1, atol=1e-5)
    assert np.abs(np.degrees(np.arcsin(turn[:, 2, 2]))).max() < 12.1  # pitch
    assert np.abs(np.degrees(np.arcsin(turn[:, 2, 0]))).max() < 2.1  # roll
    assert (turn[:, 2, 1] < 0).all()  # the image's y axis points down
    k = clip.cameras.intrinsics
    assert (k == k[0]).all()
    fov = 2 * np.degrees(np.arctan(0.5 / k[0, 0, 0]))
    assert 60 <= fov <= 80 and k[0, 0, 0] == k[0, 1, 1]
    assert k[0, 0, 2] == k[0, 1, 2] == 0.5


def test_headings_spread_and_leave_five_views_30_degrees_apart():
  spreads = []
  for scene in range(24):
    rng = np.random.Generator(np.random.Philox(scene))
    c2w = walk(random_room(rng), rng, 64)
    yaw = np.unwrap(np.arctan2(c2w[:, 1, 2], c2w[:, 0, 2]))
    spreads.append(np.degrees(np.ptp(yaw)))
    steps = np.degrees(np.abs(np.diff(yaw)))
    assert steps.max() < 15, "a hand-held camera does not jump"
  assert min(spreads) >= 150
  print("heading spread, degrees:", np.round(spreads))


def test_cameras_walk_in_free_space():
  lengths = []
  for scene in range(24):
    rng = np.random.Generator(np.random.Philox(scene))
    room = random_room(rng)
    places = walk(room, rng, 64)[:, :3, 3]
    assert clearance(room, places[:, :2]).min() >= CLEARANCE
    assert (places[:, 2] > 1.1).all()
    assert (places[:, 2] < room.height - 0.4).all()
    lengths.append(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())
  assert np.median(lengths) > 1.5
  print("path lengths, metres:", np.round(lengths, 1))


def _points(clip: RoomClip, frame: int) -> np.ndarray:
  """World points [H W 3] seen by the pixel centres of a frame."""
  size = clip.depth.shape[1]
  focal = clip.cameras.intrinsics[frame, 0, 0]
  x = ((np.arange(size) + 0.5) / size - 0.5) / focal
  z = clip.depth[frame][..., None]
  rays = np.stack([*np.meshgrid(x, x), np.ones((size, size))], -1)
  c2w = clip.cameras.extrinsics[frame]
  return (rays * z) @ c2w[:3, :3].T + c2w[:3, 3]


def test_depth_and_poses_explain_the_colours_of_other_frames(clips):
  errors, seen = [], 0
  for clip in clips:
    size = clip.depth.shape[1]
    for a, b in ((0, 2), (10, 13), (20, 17), (28, 31)):
      c2w = clip.cameras.extrinsics[b]
      local = (_points(clip, a) - c2w[:3, 3]) @ c2w[:3, :3]
      focal = clip.cameras.intrinsics[b, 0, 0]
      z = np.maximum(local[..., 2], 1e-3)
      pixel = (local[..., :2] / z[..., None] * focal + 0.5) * size
      i = np.clip(pixel.astype(int), 0, size - 1)
      visible = (local[..., 2] > 0.1) & (pixel > 0).all(-1)
      visible &= (pixel < size).all(-1)
      there = clip.depth[b][i[..., 1], i[..., 0]]
      visible &= np.abs(there / z - 1) < 0.05
      color = clip.images[b][i[..., 1], i[..., 0]].astype(int)
      error = np.abs(color - clip.images[a]).mean(-1)
      errors.append(error[visible])
      seen += visible.sum()
  assert seen > 0.2 * len(errors) * size**2
  assert np.median(np.concatenate(errors)) < 2.5
  assert np.quantile(np.concatenate(errors), 0.9) < 25


def test_every_point_lies_inside_the_room(clips):
  for scene, clip in zip(SCENES, clips, strict=True):
    sequence = np.random.SeedSequence((3, scene)).spawn(3)[0]
    room = random_room(np.random.Generator(np.random.Philox(sequence)))
    points = np.stack([_points(clip, i) for i in range(0, 32, 5)])
    high = np.array([room.width, room.depth, room.height])
    assert (points > -0.05).all() and (points < high + 0.05).all()


def test_images_are_neither_dark_nor_blown_out(clips):
  images = np.stack([clip.images for clip in clips])
  assert 90 < images.mean() < 215
  assert (images >= 254).all(-1).mean() < 0.15
  assert (images.reshape(len(clips), -1).std(1) > 15).all()


def test_shadow_rays_agree_with_marching():
  rng = np.random.default_rng(0)
  block = Block(np.array([0.1, -0.2, 0.3]), np.array([0.9, 0.6, 0.8]), 0.7)
  start = rng.uniform(-1.5, 1.5, (3, 200)).astype(np.float32)
  way = rng.uniform(-3, 3, (3, 1, 200)).astype(np.float32)
  fraction = first_hit(start, way, [block])[0]
  t = np.linspace(0, 1, 2001)[:, None]
  x, y, z = (start + t[:, None] * way[:, 0]).transpose(1, 0, 2) - block.center[
    :, None, None
  ]
  c, s = np.cos(block.yaw), np.sin(block.yaw)
  local = np.stack([c * x + s * y, c * y - s * x, z])
  inside = (np.abs(local) < block.half[:, None, None]).all(0)
  marched = np.where(inside.any(0), t[inside.argmax(0), 0], 1.0)
  assert np.abs(marched - fraction).max() < 2e-3
  assert 20 < (fraction < 1).sum() < 180


@pytest.mark.parametrize(
  ("field", "value"),
  [("seed", -1), ("scene", -1), ("frames", 0), ("size", 4),
   ("supersample", 5)],
)  # fmt: skip
def test_bad_arguments_name_the_field(field, value):
  arguments = {"seed": 0, "scene": 0, "frames": 2, "size": 16, field: value}
  with pytest.raises(InputError, match=f"rooms: {field}"):
    render_clip(**arguments)


def test_speed_is_printed():
  start = time.process_time()
  for scene in range(3):
    render_clip(5, scene, frames=64, size=64)
  speed = 3 * 64 / (time.process_time() - start)
  print(f"rooms: {speed:.0f} frames/s of 64x64 on one core")
