"""A posed clip whose frames are decoded one by one, when they are asked for."""

import dataclasses
import os
from collections.abc import Callable, Sequence

import numpy as np

from data_pipelines.loading.transforms import rescale_and_crop
from data_pipelines.sources.notes import counted
from data_pipelines.storage.images import decode_picture
from scenetok_jax.geometry.posed_pictures import TAKEN, Fitted
from scenetok_jax.reading import files
from scenetok_jax.reading.orientation import UPRIGHT
from scenetok_jax.reading.shown import sides
from scenetok_jax.types import Cameras, InputError

_MAX_FILE = 256 << 20  # of a picture: 8K without compression is 100 MB


@dataclasses.dataclass(frozen=True)
class PosedClip:
  """A source's clip: one camera and one encoded image per frame.

  cameras: [T] float32, as the package has them. frames: for each frame a
  function that gives the bytes of its image file. names: what a frame is
  called in messages. fits: how each frame's picture is made of its file, where
  that is more than decoding. origin: what was subtracted from the source's
  positions.
  """

  key: str
  source: str
  cameras: Cameras
  frames: Sequence[Callable[[], bytes]]
  names: Sequence[str]
  warnings: tuple[str, ...] = ()
  fits: Sequence[Fitted] = ()
  origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

  def __len__(self) -> int:
    return len(self.frames)

  def encoded(self, frame: int) -> bytes:
    """The image file of a frame, as the source has it."""
    return self.frames[frame]()

  def image(self, frame: int) -> np.ndarray:
    """uint8 [H, W, 3] of one frame."""
    return self._image(frame)[0]

  def _image(self, frame: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The image of a frame, and what is to be told of its pixels."""
    picture = decode_picture(self.encoded(frame), self.names[frame])
    if self.fits:
      return self.fits[frame].picture(picture), picture.notes
    notes = picture.notes
    if picture.header.tag != UPRIGHT:
      notes = (*notes, TAKEN)
    return picture.pixels, notes

  def take(self, frames: Sequence[int] | np.ndarray) -> "PosedClip":
    """The clip of some frames, in the order given."""
    frames = [int(i) for i in frames]
    for i in frames:
      if not 0 <= i < len(self):
        raise InputError(
          f"{self.source}: frame {i} is not there: the clip has"
          f" {len(self)} frames; correct the index"
        )
    return dataclasses.replace(
      self,
      cameras=Cameras(
        self.cameras.extrinsics[frames], self.cameras.intrinsics[frames]
      ),
      frames=[self.frames[i] for i in frames],
      names=[self.names[i] for i in frames],
      fits=[self.fits[i] for i in frames] if self.fits else (),
    )

  def render(
    self, shape: tuple[int, int] | None, *, move_centre: bool = True
  ) -> tuple[np.ndarray, Cameras]:
    """All frames rescaled and cropped to (h, w), or as they are.

    Returns:
      images uint8 [T, h, w, 3] and their cameras.
    """
    images, cameras, _ = self.render_told(shape, move_centre=move_centre)
    return images, cameras

  def render_told(
    self, shape: tuple[int, int] | None, *, move_centre: bool = True
  ) -> tuple[np.ndarray, Cameras, tuple[str, ...]]:
    """As render, with what is to be told of the pixels."""
    images: list[np.ndarray] = []
    intrinsics, notes = [], []
    for frame in range(len(self)):
      image, told = self._image(frame)
      matrix = self.cameras.intrinsics[frame]
      notes.append(told)
      if shape is not None:
        try:
          image, matrix = rescale_and_crop(
            image, matrix, shape, move_centre=move_centre
          )
        except InputError as error:
          raise InputError(f"{self.names[frame]}: {error}") from None
      elif images and image.shape != images[0].shape:
        raise InputError(
          f"{self.names[frame]}: image is {sides(image.shape)}, the first of"
          f" the clip {sides(images[0].shape)}; give a --size"
        )
      images.append(image)
      intrinsics.append(matrix)
    if not images:
      raise InputError(f"{self.source}: no frame in it; leave this scene out")
    cameras = Cameras(self.cameras.extrinsics, np.stack(intrinsics))
    return np.stack(images), cameras, counted(notes)


def read_bytes(path: str | os.PathLike) -> bytes:
  """A file's bytes; InputError when it cannot be read."""
  try:
    return files.read_bytes(path, _MAX_FILE)
  except OSError as error:
    raise InputError(
      f"{path}: cannot be read ({error.strerror}); restore it or remove its"
      " frame"
    ) from None
