"""Images and cameras as a user has them, brought to what a model reads."""

from collections.abc import Sequence

import jax
import numpy as np

from data_pipelines.loading.transforms import rescale_and_crop
from scenetok_jax.geometry import camera_checks
from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.inference.context_choice import chosen
from scenetok_jax.reading.shown import sides
from scenetok_jax.types import Array, Cameras, InputError, Views


def fit_views(
  images: Array | Sequence[Array],
  cameras: Cameras,
  size: int,
  names: Sequence[str] | None = None,
) -> Views:
  """Posed images of any size -> square ones.

  An image is scaled until it covers the square and its centre is cut out; its
  intrinsics follow, the principal point too.

  images: uint8 [V H W 3], or V images [H W 3] of different sizes. cameras: of
  the images as they are, [V]. size: side of the square in pixels. names: of
  the images, for messages. Returns NumPy arrays.
  Raises InputError: naming what does not fit.
  """
  count = len(images)
  names = names or [f"images: view {index}" for index in range(count)]
  cameras = check_cameras(cameras, "cameras")
  if not count:
    raise InputError("images: none; give at least one view")
  if len(cameras.extrinsics) != count:
    raise InputError(
      f"cameras: {len(cameras.extrinsics)} for {count} images; give one for"
      " each, in the same order"
    )
  squares, lenses = [], []
  for name, image, lens in zip(names, images, cameras.intrinsics, strict=True):
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
      raise InputError(
        f"{name}: {image.dtype} {list(image.shape)} is not uint8 [H W 3]; give"
        " RGB bytes (scenetok_jax.io.to_uint8 makes them of floats)"
      )
    if image.shape[:2] != (size, size):
      if min(image.shape[:2]) < size:
        raise InputError(
          f"{name}: {sides(image.shape)} pixels are fewer than"
          f" the {size}x{size} that the model reads; give a larger image"
        )
      image, lens = rescale_and_crop(
        image, lens, (size, size), move_centre=True
      )
    squares.append(image)
    camera_checks.check_intrinsics(lens, f"{name}: intrinsics", (size, size))
    lenses.append(np.asarray(lens, np.float32))
  return Views(
    images=np.stack(squares),
    cameras=Cameras(cameras.extrinsics, np.stack(lenses)),
  )


def pick_views(views: Views, count: int, asked: Sequence[int] | None) -> Views:
  """Those of the given views [V] that a scene is made from, in their order.

  count: how many at most, far from each other, the first of them being view 0.
  asked: their numbers instead.
  InputError: numbers that make no sense.
  """
  if count < 1:
    raise InputError(f"views: {count} must be at least 1")
  extrinsics = views.cameras.extrinsics
  if asked is not None:
    numbers = chosen(len(extrinsics), asked, "context")
  elif len(extrinsics) > count:
    numbers = np.unique(farthest_point(extrinsics, count, 0))
  else:
    return views
  return jax.tree.map(lambda a: a[numbers], views)


def check_cameras(cameras: Cameras, where: str) -> Cameras:
  """Cameras [V] as NumPy float32; InputError unless each is a pinhole camera.

  where: starts the message.
  """
  found = cameras.extrinsics, cameras.intrinsics
  camera_checks.check_cameras(*found, where)
  return Cameras(*(np.asarray(x, np.float32) for x in found))
