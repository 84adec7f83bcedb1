"""How runs do where cameras see less than in training.

  python -m benchmarks.fields_of_view runs/adamw runs/prope --zooms 1 1.5 2

Rooms are rendered finer by each factor and cut to their middle, so that the
field of view is another (60 to 80 degrees at 1; 32 to 45 at 2) while pictures
keep their size. PSNR of frames that a run was not given, and that of the mean
of its context views, with which the runs are to be compared.
"""

import sys
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from data_pipelines.rooms import render_clip
from scenetok_jax import SceneTok, console
from scenetok_jax.geometry.cropping import Crop
from scenetok_jax.geometry.view_selection import farthest_point
from scenetok_jax.io import to_unit
from scenetok_jax.metrics.baselines import mean_view
from scenetok_jax.metrics.image import psnr
from scenetok_jax.types import Cameras, Views

_SEED = 90_001  # rooms of no training
_FRAMES = 24


class Seen(NamedTuple):
  """Views of a room that a model is given, and those that it renders."""

  context: Views
  target: Views


def main(argv: Sequence[str] | None = None) -> None:
  parser = console.parser("benchmarks.fields_of_view", __doc__ or "")
  add = parser.add_argument
  add("runs", nargs="+", help="workdirs of stage 1")
  add("--zooms", type=float, nargs="+", default=[1.0, 1.5, 2.0])
  add("--rooms", type=int, default=16)
  args = parser.parse_args(argv)
  models = {run: SceneTok.from_pretrained(run) for run in args.runs}
  first = next(iter(models.values())).model
  print(f"| zoom | mean view | {' | '.join(models)} |")
  print("|---" * (len(models) + 2) + "|", flush=True)
  for zoom in args.zooms:
    rooms = [
      views(room, zoom, first.image_size, first.num_context)
      for room in range(args.rooms)
    ]
    scores = [
      [score(images, seen.target.images) for images in pictures(models, seen)]
      for seen in rooms
    ]
    cells = (f"{mean:.2f}" for mean in np.mean(scores, axis=0))
    print(f"| {zoom:g} | {' | '.join(cells)} |", flush=True)


def views(room: int, zoom: float, side: int, count: int) -> Seen:
  """A room by cameras of a focal length `zoom` times that of training.

  Pictures of side x side pixels; `count` of them are context.
  """
  fine = round(side * zoom)
  clip = render_clip(_SEED, room, _FRAMES, fine)
  first = (fine - side) // 2
  cut = Crop(scaled=(fine, fine), start=(first, first), target=(side, side))
  lenses = np.stack([cut.intrinsics(k) for k in clip.cameras.intrinsics])
  cameras = Cameras(clip.cameras.extrinsics, lenses)
  images = clip.images[:, first : first + side, first : first + side]
  given = farthest_point(cameras.extrinsics, count, 0)
  rest = np.setdiff1d(np.arange(_FRAMES), given)

  def chosen(frames: np.ndarray) -> Views:
    return Views(jax.tree.map(lambda a: a[frames], cameras), images[frames])

  return Seen(chosen(given), chosen(rest))


def pictures(models: dict[str, SceneTok], seen: Seen) -> list[np.ndarray]:
  """uint8 [T H W 3]: the mean of the context views, and what models render."""
  rendered = [
    model.render(
      model.encode(seen.context.images, seen.context.cameras),
      seen.target.cameras,
    )
    for model in models.values()
  ]
  return [mean_view(seen.context, seen.target), *rendered]


def score(images: np.ndarray, truth: np.ndarray) -> float:
  """PSNR in dB, the mean over frames."""
  return float(np.mean(psnr(to_unit(images), to_unit(truth))))


if __name__ == "__main__":
  sys.exit(console.run(main, verb="fields_of_view benchmark"))
