"""Videos side by side as an animated picture, which pages show as they are.

  python docs/animation.py docs/images/walk.webp A/video.mp4 B/video.mp4

The picture is as long as the shortest of the videos.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import einops
import numpy as np
from PIL import Image

_MOST = 3_000_000  # bytes: what a page may make its readers load


def main(argv: Sequence[str] | None = None) -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  add = parser.add_argument
  add("out", type=Path, help="file.webp")
  add("videos", nargs="+", type=Path)
  add("--side", type=int, default=192, help="pixels of a video")
  add("--rate", type=float, default=10.0, help="frames a second")
  args = parser.parse_args(argv)
  sys.path.insert(0, str(Path(__file__).parents[1]))
  from scenetok_jax import media

  videos = [media.read_video(path) for path in args.videos]
  size = write(args.out, videos, args.side, args.rate)
  print(f"{args.out}: {size:,} bytes")


def write(
  out: Path, videos: Sequence[np.ndarray], side: int, rate: float
) -> int:
  """uint8 [T H W 3] of each video -> the file; returns its bytes.

  Raises SystemExit: the file would be too large for a page.
  """
  count = min(map(len, videos))
  rows = einops.rearrange(
    np.stack([_sized(video[:count], side) for video in videos]),
    "video t h w c -> t h (video w) c",
  )
  first, *rest = map(Image.fromarray, rows)
  first.save(
    out, save_all=True, append_images=rest, duration=round(1000 / rate),
    loop=0, quality=80, method=6,
  )  # fmt: skip
  size = out.stat().st_size
  if size > _MOST:
    out.unlink()
    raise SystemExit(f"{out}: {size:,} bytes; give a smaller --side")
  return size


def _sized(video: np.ndarray, side: int) -> np.ndarray:
  frames = [Image.fromarray(frame) for frame in video]
  kernel = Image.Resampling.BICUBIC
  return np.stack([np.array(x.resize((side, side), kernel)) for x in frames])


if __name__ == "__main__":
  main()
