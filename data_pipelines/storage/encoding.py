"""A scene to load -> an encoded one, fit for writing, or why it is not."""

import numpy as np

from data_pipelines.storage.depth_maps import encode_depth
from data_pipelines.storage.images import encode_image
from data_pipelines.storage.recipes import RawScene, Recipe, SceneLoader
from data_pipelines.storage.scene_checks import check_cameras
from data_pipelines.storage.writer import EncodedScene
from scenetok_jax.geometry.scale import middle
from scenetok_jax.types import InputError, check_key


def encode(loader: SceneLoader, recipe: Recipe) -> EncodedScene | InputError:
  """Loads, checks and encodes one scene; bad input is returned, not raised."""
  try:
    check_key(loader.key)
    scene = loader.load()
    check(scene, recipe)
    return _encoded(loader.key, scene, recipe)
  except InputError as error:
    return error
  # One scene of a hundred thousand may be broken in a way that no reader
  # foresaw: it is reported, and the others are written.
  except (
    ArithmeticError, AttributeError, LookupError, MemoryError, OSError,
    RuntimeError, TypeError, ValueError,
  ) as error:  # fmt: skip
    return InputError(f"scene {loader.key}: unreadable ({error!r}); replace it")


def check(scene: RawScene, recipe: Recipe) -> None:
  """InputError unless a scene can be trained on."""
  frames = len(scene.images)
  if frames < recipe.min_frames:
    raise InputError(
      f"{scene.source}: {frames} usable frames, at least {recipe.min_frames}"
      " are needed; add frames or leave this scene out"
    )
  cameras = scene.cameras
  if not len(cameras.extrinsics) == len(cameras.intrinsics) == frames:
    raise InputError(
      f"{scene.source}: {frames} images but {len(cameras.extrinsics)} poses"
    )
  check_cameras(cameras, scene.images.shape[1:3], scene.source, recipe.max_jump)


def _encoded(key: str, scene: RawScene, recipe: Recipe) -> EncodedScene:
  frames, height, width = scene.images.shape[:3]
  held_out = tuple(sorted({*recipe.holdout.indices(frames), *scene.held_out}))
  if frames - len(held_out) < recipe.min_frames:
    raise InputError(
      f"{scene.source}: {frames} frames, {len(held_out)} of them held out,"
      " leave too few for training; hold out fewer (--holdout-every,"
      " --frames-left-out)"
    )
  images = scene.encoded or [
    encode_image(image, recipe.image_format) for image in scene.images
  ]
  assert len(images) == frames and scene.images.dtype == np.uint8
  return EncodedScene(
    key=key,
    images=images,
    cameras=scene.cameras,
    height=height,
    width=width,
    source=scene.source,
    held_out=held_out,
    warnings=scene.warnings,
    origin=scene.origin,
    depth=(
      None
      if scene.depth is None
      else tuple(encode_depth(depth) for depth in scene.depth)
    ),
    median_depth=(
      scene.median_depth if scene.depth is None else middle(scene.depth)
    ),
  )
