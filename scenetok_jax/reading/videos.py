"""Frames of videos in the order of their presentation, none twice, none left.

FFmpeg's libraries (PyAV) decode; frame i is the i-th that the file holds,
however long it is shown. Phones record at rates that vary.
"""

import dataclasses
import os
from collections.abc import Iterator

import numpy as np

from scenetok_jax.reading import files, orientation
from scenetok_jax.reading.images import MAX_PIXELS
from scenetok_jax.reading.pictures import Header, Picture

# A list of other files, or of addresses, is no video whatever its name says.
_FORMATS = {
  "format_whitelist": "mov,mp4,matroska,webm,avi",
  "protocol_whitelist": "",
}


@dataclasses.dataclass(frozen=True)
class VideoFrame:
  """pixels: uint8 RGB [H W 3] as stored. tag: how they are to be shown.

  seconds: when it is shown, from the file's own zero; None where it is untold.
  """

  pixels: np.ndarray
  tag: int
  seconds: float | None

  def picture(self) -> Picture:
    """Upright, as a picture with an orientation tag."""
    height, width = self.pixels.shape[:2]
    upright = orientation.apply(self.pixels, self.tag)
    return Picture(
      np.ascontiguousarray(upright), Header((width, height), self.tag)
    )


def video_frames(path: str | os.PathLike) -> Iterator[VideoFrame]:
  """Every frame of a file's first video, decoded one by one.

  ValueError or OSError where the file is damaged, or holds no video.
  """
  import av  # late: a quarter of a second, and most commands read no video

  with files.open_file(path) as file:
    try:
      with av.open(file, "r", options=_FORMATS) as container:
        if not container.streams.video:
          raise ValueError("holds no video")
        stream = container.streams.video[0]
        # Frames may be larger than the header says.
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        if stream.width * stream.height > MAX_PIXELS:
          raise ValueError(
            f"its header claims {stream.width}x{stream.height} pixels"
          )
        for frame in container.decode(stream):
          tag = orientation.of_rotation(frame.rotation)
          pixels = frame.to_ndarray(format="rgb24")
          yield VideoFrame(pixels, tag, frame.time)
    except av.error.FFmpegError as error:
      raise ValueError(error.strerror or str(error)) from None
    except (OSError, ValueError):
      raise
    except Exception as error:  # a stream that no codec knows, and others
      raise ValueError(f"damaged: {error}") from None
