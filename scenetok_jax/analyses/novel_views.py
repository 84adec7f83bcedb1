"""Scenes with the frames to render of each."""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from scenetok_jax.analyses.options import FrameOptions, SceneOptions
from scenetok_jax.evaluation.plan import prepared_data
from scenetok_jax.inference import scenes
from scenetok_jax.inference.scenes import OpenScene
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import to_unit
from scenetok_jax.metrics.baselines import mean_view, nearest_view
from scenetok_jax.metrics.image import psnr
from scenetok_jax.types import Array, Cameras, InputError, Views


@dataclasses.dataclass(frozen=True)
class NovelViews:
  """Frames that no context view shows, of scenes of one shape.

  frames: [B T] frame numbers. truth: uint8 [B T H W 3].
  """

  scenes: list[OpenScene]
  frames: np.ndarray
  truth: np.ndarray

  @property
  def keys(self) -> list[str]:
    return [scene.key for scene in self.scenes]

  @property
  def context(self) -> list[Views]:
    """The context views [V] of each scene."""
    return [scene.context_views for scene in self.scenes]

  @property
  def cameras(self) -> list[Cameras]:
    """Absolute cameras [T] of each scene."""
    return [
      as_float32(scene.take(frames).cameras)
      for scene, frames in zip(self.scenes, self.frames, strict=True)
    ]

  def by_scene(self, values: np.ndarray) -> dict[str, float]:
    """Values [B] by the scenes' keys."""
    return dict(zip(self.keys, values.tolist(), strict=True))

  def mean_views(self) -> np.ndarray:
    """A baseline's videos [B T H W 3]: the mean of the context views."""
    targets = [Views(cameras=own) for own in self.cameras]
    return np.stack(
      [mean_view(*pair) for pair in zip(self.context, targets, strict=True)]
    )

  def nearest_views(self, cameras: Sequence[Cameras]) -> np.ndarray:
    """A baseline's videos [B T H W 3]: the nearest context view, copied."""
    targets = [Views(cameras=own) for own in cameras]
    return np.stack(
      [nearest_view(*pair) for pair in zip(self.context, targets, strict=True)]
    )


def as_float32(cameras: Cameras) -> Cameras:
  """Cameras as NumPy float32."""
  return Cameras(
    np.asarray(cameras.extrinsics, np.float32),
    np.asarray(cameras.intrinsics, np.float32),
  )


def open_scenes(scenetok: SceneTok, options: SceneOptions) -> list[OpenScene]:
  """The first options.scenes scenes of the data."""
  dataset = prepared_data(scenetok, options.data, options.split)
  return [
    scenes.open_prepared(scenetok, str(dataset.path), dataset.split, str(i))
    for i in range(min(options.scenes, len(dataset)))
  ]


def choose_frames(
  scenetok: SceneTok, candidates: np.ndarray, wanted: int
) -> np.ndarray:
  """About `wanted` of the candidate frame numbers, sorted, whole latents.

  Evenly spread where a latent is a frame; else the first, which follow each
  other.
  """
  codec = scenetok.model.target_codec
  count = min(wanted, len(candidates))
  if codec.grouping.unit_frames > 1:
    return candidates[: codec.frames(codec.latents(count))]
  places = np.linspace(0, len(candidates) - 1, count)
  return candidates[np.unique(places.astype(int))]


def novel_views(
  scenetok: SceneTok,
  options: FrameOptions,
  opened: list[OpenScene] | None = None,
  candidates: Sequence[np.ndarray] | None = None,
) -> NovelViews:
  """About options.frames novel frames of every scene, as many of each.

  Args:
    scenetok: the model that will render them.
    options: say how many, and of which scenes.
    opened: the scenes, where they are open already.
    candidates: frame numbers to choose from, instead of all novel ones.

  Raises:
    InputError: no such data, or a scene without a novel frame.
  """
  opened = open_scenes(scenetok, options) if opened is None else opened
  if candidates is None:
    candidates = [scene.novel for scene in opened]
  least = min(options.frames, *(len(numbers) for numbers in candidates))
  if least < 1:
    raise InputError("--frames: a scene has no frame but its context views")
  frames = np.stack([choose_frames(scenetok, c, least) for c in candidates])
  truth = [
    np.asarray(scene.take(numbers).images)
    for scene, numbers in zip(opened, frames, strict=True)
  ]
  return NovelViews(opened, frames, np.stack(truth))


def scene_psnr(videos: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """uint8 [B S T H W 3], [B T H W 3] -> mean PSNR of each scene [B]."""
  found, true = unit(videos), unit(truth)[:, None]
  scores = np.asarray(psnr(found, jnp.broadcast_to(true, found.shape)))
  return scores.mean(axis=(1, 2))


def unit(images: np.ndarray) -> Array:
  """uint8 -> float32 in [0, 1], on the device."""
  return to_unit(jnp.asarray(images))
