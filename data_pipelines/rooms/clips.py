"""Procedural indoor clips: posed frames with depth, a function of the seed."""

import dataclasses
from functools import partial

import numpy as np

from data_pipelines.rooms.layout import random_room
from data_pipelines.rooms.path import clearance, walk
from data_pipelines.rooms.raycast import cast, center_depth, pixel_rays, project
from data_pipelines.rooms.surfaces import bake, shade
from data_pipelines.sideways import shift_sideways
from scenetok_jax.types import Cameras, InputError

_LATERAL_CLEARANCE = 0.1  # metres that a moved walk keeps from obstacles


@dataclasses.dataclass(frozen=True)
class RoomClip:
  """One posed clip.

  key: name of the scene. images: uint8 [T H W 3]. depth: float32 [T H W],
  distance along the optical axis in metres at pixel centres. cameras: numpy
  float32, OpenCV camera-to-world in metres, one pinhole for all frames.
  """

  key: str
  images: np.ndarray
  depth: np.ndarray
  cameras: Cameras


def render_clip(
  seed: int,
  scene: int,
  frames: int = 64,
  size: int = 64,
  *,
  supersample: int = 2,
  lateral_offset: float = 0.0,
) -> RoomClip:
  """Renders `frames` views of random room `scene`, size x size pixels.

  The room and the walk depend on (seed, scene) only; frames and size say how
  finely they are sampled. supersample: rays per pixel along each axis.
  lateral_offset: metres by which the same walk is moved sideways, see
  data_pipelines.sideways.

  Raises:
    InputError: negative seed or scene, no frames, fewer than 8 pixels, a
      negative offset, or a supersample outside 1 to 4.
  """
  for name, value, least in (
    ("seed", seed, 0), ("scene", scene, 0), ("frames", frames, 1),
    ("size", size, 8), ("supersample", supersample, 1),
    ("lateral_offset", lateral_offset, 0),
  ):  # fmt: skip
    if value < least:
      raise InputError(f"rooms: {name}: {value} is below {least}; raise it")
  if supersample > 4:
    raise InputError(f"rooms: supersample: {supersample} is above 4; lower it")
  streams = [
    np.random.Generator(np.random.Philox(s))
    for s in np.random.SeedSequence((seed, scene)).spawn(3)
  ]
  room = random_room(streams[0])
  c2w = shift_sideways(
    walk(room, streams[1], frames),
    lateral_offset,
    partial(clearance, room),
    _LATERAL_CLEARANCE,
  )
  fov = np.radians(streams[2].uniform(60.0, 80.0))
  focal = float(0.5 / np.tan(fov / 2))
  intrinsics = np.array(
    [[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]], np.float32
  )

  # Texels a bit smaller than a pixel seen from two metres.
  surfaces = bake(room, texel=float(np.clip(2.6 / size, 0.012, 0.08)))
  fine = size * supersample
  view = project(room, c2w, focal, fine)
  fine_rays, rays = pixel_rays(focal, fine), pixel_rays(focal, size)
  images = np.empty((frames, size, size, 3), np.uint8)
  depth = np.empty((frames, size, size), np.float32)
  dither = _dither(supersample, size)
  # Balls have no plane: their slant counts as a plane two metres away.
  gaps = np.full((frames, len(surfaces.texel)), 2.0, np.float32)
  gaps[:, : view.gap.shape[1]] = np.maximum(view.gap, 1e-3)
  for i in range(frames):
    turn = c2w[i, :3, :3]
    hits = cast(room, view, i, turn, fine_rays)
    images[i] = shade(
      surfaces, hits, gaps[i], dither, 1 / (focal * size), supersample
    )
    depth[i] = center_depth(hits, view, i, rays, supersample)
  cameras = Cameras(
    extrinsics=c2w,
    intrinsics=np.broadcast_to(intrinsics, (frames, 3, 3)).copy(),
  )
  return RoomClip(scene_key(seed, scene), images, depth, cameras)


def scene_key(seed: int, scene: int) -> str:
  """The name of a random room."""
  return f"rooms-{seed}-{scene:06d}"


def _dither(supersample: int, size: int) -> np.ndarray:
  """Squared footprint factors [H W] spreading one octave over a pixel."""
  n = supersample**2
  steps = 4.0 ** ((np.arange(n) + 0.5) / n - 0.5)
  tile = steps.reshape(supersample, supersample)
  return np.tile(tile, (size, size)).astype(np.float32)
