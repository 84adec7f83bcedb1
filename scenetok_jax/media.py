"""Frames to PNG and MP4, contact sheets, and reading images."""

import itertools
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import einops
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scenetok_jax.io import atomic_path, to_uint8, to_unit
from scenetok_jax.reading import pictures, videos
from scenetok_jax.reading.shown import remark
from scenetok_jax.types import InputError, explained

_STREAMED = {"movflags": "+faststart"}  # plays before it is loaded
_QUALITY = {"crf": "10"}  # close to lossless
_MAX_BYTES = 8 << 30  # of a video's frames: a short file may hold hours
_GAP = 4  # pixels between the cells of a contact sheet
_BACKGROUND = 255
_INK = (40, 40, 40)


def read_image(path: str | os.PathLike) -> np.ndarray:
  """An image file -> upright uint8 RGB [H W 3]; InputError unless it is whole.

  What was chosen or left out (reading.pictures) is told on stderr.
  """
  picture = read_picture(path)
  for note in picture.notes:
    remark(f"{path}: {note}")
  return picture.pixels


def read_picture(path: str | os.PathLike) -> pictures.Picture:
  """An image file with its header and notes; InputError unless it is whole."""
  remedy = "restore the file or drop it from the list"
  # Pillow reports a truncated or damaged file by any of these.
  kinds = (OSError, SyntaxError, ValueError)
  with (
    explained(f"{path}: image cannot be decoded", "replace the file", *kinds),
    explained(f"{path}: no such image", remedy, FileNotFoundError),
  ):
    return pictures.read_picture(path)


def read_video(path: str | os.PathLike, limit: int | None = None) -> np.ndarray:
  """The first `limit` frames of a video, or all -> uint8 RGB [T H W 3].

  Upright, in the order of their presentation, none twice. Raises InputError:
  the file is missing, or holds no frame that FFmpeg can read.
  """
  kinds = (OSError, ValueError)
  with explained(f"{path}: video cannot be read", "replace the file", *kinds):
    frames = itertools.islice(videos.video_frames(path), limit)
    images, left = list[np.ndarray](), _MAX_BYTES
    for frame in frames:
      images.append(frame.picture().pixels)
      left -= images[-1].nbytes
      if left < 0:
        raise InputError(
          f"{path}: its frames take more than {_MAX_BYTES >> 30} GiB; ask for"
          f" fewer than {len(images)}"
        )
  if not images:
    raise InputError(f"{path}: holds no frames; replace the file")
  return np.stack(images)


def write_png(path: str | os.PathLike, image: np.ndarray) -> None:
  """Writes uint8 [H W 3] or [H W] as PNG, atomically."""
  with atomic_path(path) as temporary:
    Image.fromarray(_checked(image, (2, 3))).save(temporary, format="PNG")


def write_frames(folder: str | os.PathLike, frames: np.ndarray) -> None:
  """Writes uint8 [T H W 3] as folder/0000.png, 0001.png, ..."""
  for index, frame in enumerate(frames):
    write_png(Path(folder) / f"{index:04d}.png", frame)


def write_mp4(
  path: str | os.PathLike,
  frames: np.ndarray,
  fps: float = 10.0,
  *,
  min_size: int = 256,
) -> None:
  """Writes uint8 [T H W 3] as H.264 yuv420p, which every browser plays.

  Frames with a shorter side below `min_size` are enlarged by a whole factor;
  odd sizes are padded by repeating the last row or column. 0 turns the
  enlargement off.
  """
  frames = _checked(frames, (4,))
  frames = enlarge(frames, min_size)
  height, width = frames.shape[1:3]
  frames = np.pad(
    frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge"
  )
  with atomic_path(path) as temporary:
    _encode(temporary, frames, fps)


def _encode(path: Path, frames: np.ndarray, fps: float) -> None:
  """write_mp4 of frames of even sizes; OSError where the disk refuses."""
  import av  # late: a quarter of a second, and most commands write no video

  with av.open(path, "w", format="mp4", options=_STREAMED) as file:
    # Timestamps are sixteenths of a millisecond.
    rate = Fraction(fps).limit_denominator(16_000)
    stream = file.add_stream("libx264", rate=rate, options=_QUALITY)
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = "yuv420p"
    for pixels in frames:
      file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
    file.mux(stream.encode())


def enlarge(
  images: np.ndarray,
  min_size: int,
  kernel: Image.Resampling = Image.Resampling.LANCZOS,
) -> np.ndarray:
  """uint8 [... H W C], by the least whole factor to a side of min_size.

  The shorter side counts.
  """
  height, width = images.shape[-3:-1]
  factor = -(-min_size // min(height, width))
  if factor <= 1:
    return images
  size = (width * factor, height * factor)
  flat, leading = einops.pack([images], "* h w c")
  resized = [np.array(Image.fromarray(x).resize(size, kernel)) for x in flat]
  return einops.unpack(np.stack(resized), leading, "* h w c")[0]


def error_map(
  prediction: np.ndarray, truth: np.ndarray, *, top: float = 0.5
) -> np.ndarray:
  """uint8 [... H W 3] twice -> absolute difference in colours of magma.

  The difference is the mean over channels; `top`, in [0, 1] image units, is
  the difference that gets the brightest colour.
  """
  difference = np.abs(prediction.astype(np.float32) - truth.astype(np.float32))
  return colorize(to_unit(difference.mean(axis=-1)), high=top)


def colorize(
  values: np.ndarray, *, high: float | None = None, colormap: str = "magma"
) -> np.ndarray:
  """Scalars [... H W] from 0 to high -> uint8 colours [... H W 3].

  high None: the largest of them.
  """
  high = float(np.max(values)) if high is None else high
  scaled = np.asarray(values, np.float32) / max(high, 1e-12)
  colors = matplotlib.colormaps[colormap](np.clip(scaled, 0.0, 1.0))
  return to_uint8(colors[..., :3])


def contact_sheet(
  rows: Sequence[tuple[str, np.ndarray]],
  *,
  columns: int | None = None,
  min_size: int = 128,
) -> np.ndarray:
  """Labelled rows of frames -> one uint8 image [H W 3].

  rows: (label, frames uint8 [T H W 3]); T and the size may differ by row.
  columns: longer rows are thinned to this many evenly spaced frames.
  min_size: see `enlarge`.
  Raises ValueError: there is no frame at all.
  """
  kept = [(label, _thin(_checked(x, (4,)), columns)) for label, x in rows]
  strips = [_strip(label, x, min_size) for label, x in kept if len(x)]
  if not strips:
    raise ValueError("contact_sheet: no frames")
  return stack_images(strips)


def stack_images(images: Sequence[np.ndarray]) -> np.ndarray:
  """Images [H W 3] below each other, as wide as the widest."""
  width = max(image.shape[1] for image in images)
  return np.concatenate(
    [_frame(image, right=width - image.shape[1]) for image in images]
  )


def _frame(
  images: np.ndarray, left: int = 0, right: int = 0, bottom: int = 0
) -> np.ndarray:
  """Images [... H W 3] with so many pixels of background around them."""
  size = [(0, 0)] * (images.ndim - 3) + [(0, bottom), (left, right), (0, 0)]
  return np.pad(images, size, constant_values=_BACKGROUND)


def _strip(label: str, frames: np.ndarray, min_size: int) -> np.ndarray:
  """A line of text above frames side by side."""
  frames = _frame(enlarge(frames, min_size), left=_GAP, bottom=_GAP)
  line = einops.rearrange(frames, "t h w c -> h (t w) c")
  return stack_images([_text(label), _frame(line, right=_GAP)])


def _text(label: str, size: int = 14) -> np.ndarray:
  """One line of dark text on the background -> uint8 [H W 3]."""
  font = ImageFont.load_default(size)
  width = int(font.getlength(label)) + 2 * _GAP
  image = Image.new("RGB", (width, size + 6), (_BACKGROUND,) * 3)
  ImageDraw.Draw(image).text((_GAP, 1), label, fill=_INK, font=font)
  return np.array(image)


def _thin(frames: np.ndarray, columns: int | None) -> np.ndarray:
  if columns is None or len(frames) <= columns:
    return frames
  keep = np.round(np.linspace(0, len(frames) - 1, columns)).astype(int)
  return frames[keep]


def _checked(image: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
  image = np.asarray(image)
  if image.dtype != np.uint8 or image.ndim not in ranks:
    raise ValueError(
      f"expected uint8 of rank {' or '.join(map(str, ranks))}, got "
      f"{image.dtype} {image.shape}; use to_uint8 first"
    )
  return image
