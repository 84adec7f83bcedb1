"""What render and generate leave behind: video and frames."""

import numpy as np

from scenetok_jax.media import write_mp4, write_png
from scenetok_jax.outputs import Output

COLUMNS = 8  # frames in a row of a contact sheet
FPS = 10.0
# Of one video; of each of several; of what they deviate by.
FILES = (
  "video.mp4",
  "frames/[0-9]*.png",
  "video_[0-9]*.mp4",
  "frames_[0-9]*/[0-9]*.png",
  "deviation/[0-9]*.png",
)


def write_frames(out: Output, folder: str, frames: np.ndarray) -> None:
  """uint8 [T H W 3] -> OUT/FOLDER/0000.png, 0001.png, ..."""
  names = (f"{folder}/{index:04d}.png" for index in range(len(frames)))
  for path, frame in zip(out.claim(*names), frames, strict=True):
    write_png(path, frame)


def write_videos(out: Output, videos: np.ndarray) -> None:
  """uint8 [S T H W 3] -> OUT/video.mp4, frames/*.png, video_01.mp4, ...

  Those of an earlier run, perhaps longer or with more samples, are removed.
  """
  out.clear(*FILES)
  for index, frames in enumerate(videos):
    name = f"_{index:02d}" if index else ""
    write_frames(out, f"frames{name}", frames)
    write_mp4(out.file(f"video{name}.mp4"), frames, FPS)


def columns(frames: int) -> np.ndarray:
  """Frame numbers that a contact sheet shows of a video."""
  return np.linspace(0, frames - 1, min(COLUMNS, frames)).astype(int)
