"""Examples exactly as the authors' loaders make them, for comparison.

Training and evaluation here read prepared data (records.py). These functions
keep the release's rounding: intrinsics keep the principal point when
cropping, latents stay in float16 until the end, and the known focal-length
bugs can be asked for. Where the release skips a scene they return None.
"""

import dataclasses
import os
from collections.abc import Callable

import numpy as np

from data_pipelines.loading import transforms
from data_pipelines.sources import dl3dv_scenes as dl3dv_reader
from data_pipelines.sources import re10k_chunks as re10k_reader
from data_pipelines.sources.posed_clips import PosedClip
from data_pipelines.views.samplers import ViewChoice
from scenetok_jax.parity import release_latents
from scenetok_jax.types import Cameras, InputError, SceneBatch, Views

RELEASE_FOCAL = release_latents.RELEASE_FOCAL
_MIN_BASELINE = 1e-3  # release: baseline_epsilon
_MIN_PIXELS = 256  # release: of DL3DV's stored images, whatever is asked for


def re10k(
  folder: str | os.PathLike,
  key: str,
  choice: ViewChoice,
  shape: tuple[int, int],
  *,
  make_baseline: bool = True,
) -> SceneBatch | None:
  """One RealEstate10K example from FOLDER/{*.torch, index.json}.

  Args:
    folder: one split, such as DATA/test.
    key: scene.
    choice: context and target frames.
    shape: (h, w) of the images.
    make_baseline: with exactly two context views, translations are divided
      by the distance between them.

  Returns:
    Context and target views with uint8 images [V, h, w, 3]; None where the
    two context views are less than 1e-3 apart.
  """
  clip = re10k_reader.read_scene(folder, key)
  batch = _views(clip, choice, shape)
  if not make_baseline or len(choice.context) != 2:
    return batch
  positions = batch.context.cameras.extrinsics[:, :3, 3]
  baseline = np.linalg.norm(positions[0] - positions[1])
  if baseline < _MIN_BASELINE:
    return None
  return _scale_translations(batch, baseline)


def dl3dv(
  scene: str | os.PathLike,
  choice: ViewChoice,
  shape: tuple[int, int],
  *,
  flip: bool = False,
  scale_focal_by_256: bool = False,
  scale_context_focal_by_256: bool = False,
) -> SceneBatch | None:
  """One DL3DV example; None for images of fewer than 256 rows or columns.

  Args:
    scene: its folder, with images_4/ and transforms.json, or nerfstudio/ of
      both.
    choice: context and target frames.
    shape: (h, w) of the images.
    flip: mirror left to right.
    scale_focal_by_256: known bug 1, focal lengths times (w, h) / 256 of
      transforms.json, before cropping.
    scale_context_focal_by_256: known bug 2, context views only, times
      (3840, 2160) / 256, after cropping.
  """
  clip = dl3dv_reader.read_scene(scene, "images_4", distorted=True)
  chosen = clip.take([*choice.context, *choice.target])
  sizes = [min(chosen.image(i).shape[:2]) for i in range(len(chosen))]
  if min(sizes, default=_MIN_PIXELS) < _MIN_PIXELS:
    return None
  batch = _views(clip, choice, shape)
  if scale_focal_by_256:
    factors = np.array(dl3dv_reader.original_size(scene)) / 256
    batch = _map_cameras(batch, lambda c: scale_focal(c, factors))
  if scale_context_focal_by_256:
    cameras = scale_focal(batch.context.cameras, RELEASE_FOCAL)
    context = dataclasses.replace(batch.context, cameras=cameras)
    batch = dataclasses.replace(batch, context=context)
  if not flip:
    return batch
  return SceneBatch(_flipped(batch.context), _flipped(batch.target))


def latents(
  context_file: str | os.PathLike,
  target_file: str | os.PathLike,
  choice: ViewChoice,
  *,
  make_baseline: bool = False,
  scale_focal_by_256: bool = False,
) -> SceneBatch | None:
  """One example of the authors' precomputed latents, float32.

  Args:
    context_file, target_file: the scene's .npz in the two roots.
    choice: context frames, target frames (for cameras) and target latents.
    make_baseline: translations divided by the distance between the first and
      the last context camera, in float16.
    scale_focal_by_256: focal lengths times (15, 8.4375), in float16.

  Returns:
    latents [L, h, w, C] as the codec stores them, and their cameras; None
    where those two cameras are less than 1e-3 apart.
  """
  context = release_latents.read_file(context_file)
  target = release_latents.read_file(target_file)
  batch = SceneBatch(
    context=_latent_views(context, choice.context, choice.context),
    target=_latent_views(target, choice.target, choice.latents),
    condition=(
      _latent_views(context, choice.condition, choice.condition)
      if len(choice.condition)
      else None
    ),
  )
  if scale_focal_by_256:
    batch = _map_cameras(batch, lambda c: scale_focal(c, RELEASE_FOCAL))
  if make_baseline:
    positions = batch.context.cameras.extrinsics[:, :3, 3]
    # The release takes norm and quotient in float16, as stored.
    offset = positions[0] - positions[-1]
    baseline = np.sqrt(np.sum(offset.astype(np.float32) ** 2))
    baseline = baseline.astype(positions.dtype)
    if baseline < _MIN_BASELINE:
      return None
    batch = _scale_translations(batch, baseline)
  return _map_cameras(batch, _float32)


def scale_focal(cameras: Cameras, factors) -> Cameras:
  """Cameras with fx, fy multiplied by (x, y), in their own dtype."""
  intrinsics = cameras.intrinsics.copy()
  factors = np.asarray(factors, intrinsics.dtype)
  intrinsics[..., 0, 0] *= factors[0]
  intrinsics[..., 1, 1] *= factors[1]
  return Cameras(cameras.extrinsics, intrinsics)


def _views(
  clip: PosedClip, choice: ViewChoice, shape: tuple[int, int]
) -> SceneBatch:
  views = []
  for frames in (choice.context, choice.target):
    images, cameras = clip.take(frames).render(shape, move_centre=False)
    views.append(Views(cameras=cameras, images=images))
  return SceneBatch(*views)


def _latent_views(
  clip: release_latents.LatentClip, frames: np.ndarray, numbers: np.ndarray
) -> Views:
  """Views of some frames' cameras and some latents."""
  for name, wanted, have in (
    ("frame", frames, len(clip.cameras.extrinsics)),
    ("latent", numbers, len(clip.latents)),
  ):
    if len(wanted) and not 0 <= wanted.min() <= wanted.max() < have:
      raise InputError(
        f"{clip.key}: {name} {int(wanted.max())} asked of {have}; correct the"
        " index"
      )
  cameras = Cameras(
    clip.cameras.extrinsics[frames], clip.cameras.intrinsics[frames]
  )
  return Views(cameras=cameras, latents=clip.latents[numbers].astype("f4"))


def _flipped(views: Views) -> Views:
  assert views.images is not None
  images, cameras = transforms.flip(views.images, views.cameras)
  return Views(cameras=cameras, images=images)


def _scale_translations(batch: SceneBatch, baseline) -> SceneBatch:
  def scale(cameras: Cameras) -> Cameras:
    extrinsics = cameras.extrinsics.copy()
    extrinsics[..., :3, 3] /= baseline
    return Cameras(extrinsics, cameras.intrinsics)

  return _map_cameras(batch, scale)


def _float32(cameras: Cameras) -> Cameras:
  return Cameras(
    cameras.extrinsics.astype("f4"), cameras.intrinsics.astype("f4")
  )


def _map_cameras(
  batch: SceneBatch, function: Callable[[Cameras], Cameras]
) -> SceneBatch:
  def apply(views: Views) -> Views:
    return dataclasses.replace(views, cameras=function(views.cameras))

  return SceneBatch(
    apply(batch.context),
    apply(batch.target),
    None if batch.condition is None else apply(batch.condition),
  )
