"""What render and generate leave behind: video and frames."""

from pathlib import Path

import numpy as np

from scenetok_jax.media import write_frames, write_mp4

COLUMNS = 8  # frames in a row of a contact sheet
FPS = 10.0


def clear_frames(folder: Path) -> None:
  """Removes the numbered frames of an earlier, perhaps longer, video."""
  for stale in folder.glob("[0-9]*.png"):
    stale.unlink()


def clear(out: Path) -> None:
  """Removes what an earlier run left in OUT, perhaps with more samples."""
  for stale in out.glob("video_[0-9]*.mp4"):
    stale.unlink()
  for folder in (out / "deviation", *out.glob("frames_[0-9]*")):
    clear_frames(folder)
    if folder.is_dir() and not any(folder.iterdir()):
      folder.rmdir()


def write_videos(out: Path, videos: np.ndarray) -> None:
  """uint8 [S T H W 3] -> OUT/video.mp4, frames/*.png, video_01.mp4, ..."""
  clear(out)
  for index, frames in enumerate(videos):
    name = f"_{index:02d}" if index else ""
    folder = out / f"frames{name}"
    clear_frames(folder)
    write_frames(folder, frames)
    write_mp4(out / f"video{name}.mp4", frames, FPS)


def columns(frames: int) -> np.ndarray:
  """Frame numbers that a contact sheet shows of a video."""
  return np.linspace(0, frames - 1, min(COLUMNS, frames)).astype(int)
