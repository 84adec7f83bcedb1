"""What the page shows for a camera: drawn, overlaid, timed."""

import collections
import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np

from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.live import LiveRenderer, LiveScene, Pause, never
from scenetok_jax.types import Cameras
from scenetok_jax.viewer import overlay

_WINDOW = 2.0  # seconds over which frames are counted


@dataclasses.dataclass(frozen=True)
class Request:
  """A view that a page asks for.

  camera: [1]. aspect: width over height of its window. samples: above 1, how
  far so many samples deviate is laid over a view at rest.
  """

  scene: LiveScene
  camera: Cameras
  aspect: float
  sampling: SamplingChanges
  seed: int = 0
  samples: int = 1


@dataclasses.dataclass(frozen=True)
class Answer:
  """image: uint8 [H W 3] of the window's shape. note: what was done."""

  image: np.ndarray
  milliseconds: Mapping[str, float]
  note: str


def answer(
  renderer: LiveRenderer, request: Request, rests: bool, pause: Pause = never
) -> Answer:
  """One step for a camera that moves; the run's steps for one that rests."""
  sampling = request.sampling
  if not rests:
    sampling = dataclasses.replace(sampling, steps=1)
  count = request.samples if rests else 1
  images, spent = [], collections.Counter[str]()
  for index in range(count):
    if index:
      pause()
    view = renderer.render(
      request.scene,
      request.camera,
      sampling,
      seed=(request.seed + index) % 2**32,
      pause=pause,
    )
    images.append(view.image)
    spent.update(view.milliseconds)
  image, steps = images[0], sampling.steps
  note = "1 step" if steps == 1 else f"{steps} steps" if steps else "all steps"
  if count > 1:
    spread = overlay.deviation(np.stack(images))
    image = overlay.heated(image, spread)
    note += f", {count} samples, mean deviation {spread.mean():.3f}"
  return Answer(overlay.framed(image, request.aspect), dict(spent), note)


class Rate:
  """Frames per second of the last two."""

  def __init__(self, clock: Callable[[], float] = time.monotonic):
    self._clock, self._times = clock, collections.deque[float]()

  def count(self) -> float:
    """One more frame -> frames per second."""
    now = self._clock()
    self._times.append(now)
    while self._times[0] <= now - _WINDOW:
      self._times.popleft()
    return len(self._times) / _WINDOW


def told(shown: Answer, rate: float) -> str:
  """One line of speed: "12.5 frames/s; 9 ms: camera 1, steps 5, ..."."""
  stages = ", ".join(f"{k} {v:.0f}" for k, v in shown.milliseconds.items())
  total = sum(shown.milliseconds.values())
  return f"{shown.note}; {total:.0f} ms: {stages}; {rate:.1f} frames/s"
