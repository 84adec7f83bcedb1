"""One step for a camera that moves, the run's for one that rests."""

import dataclasses

import numpy as np
import pytest

from scenetok_jax.inference.changes import SamplingChanges
from scenetok_jax.inference.live import LiveView
from scenetok_jax.viewer.answers import Answer, Rate, Request, answer, told


class Renderer:
  """Notes what is asked of it; seeds differ in brightness."""

  def __init__(self):
    self.asked = []

  def render(self, scene, camera, sampling, *, seed, pause):
    self.asked.append((sampling.steps, sampling.solver, seed))
    image = np.full((4, 4, 3), 100 + 50 * (seed % 2), np.uint8)
    return LiveView(image, {"camera": 1.0, "steps": 2.0, "decode": 3.0})


REQUEST = Request(None, None, 2.0, SamplingChanges(steps=9, solver="heun"), 3)


@pytest.fixture
def renderer():
  return Renderer()


def test_a_moved_camera_has_one_step(renderer):
  found = answer(renderer, dataclasses.replace(REQUEST, samples=4), False)
  assert renderer.asked == [(1, "heun", 3)]
  assert found.image.shape == (4, 8, 3) and found.note == "1 step"


def test_one_at_rest_has_the_runs_steps(renderer):
  assert answer(renderer, REQUEST, True).note == "9 steps"
  assert renderer.asked == [(9, "heun", 3)]


def test_samples_have_their_own_seeds_and_pauses_between(renderer):
  pauses = []
  request = dataclasses.replace(REQUEST, samples=3, seed=2**32 - 2)
  found = answer(renderer, request, True, lambda: pauses.append(0))
  assert [seed for *_, seed in renderer.asked] == [2**32 - 2, 2**32 - 1, 0]
  assert len(pauses) == 2
  assert "3 samples, mean deviation 0.092" in found.note
  assert found.milliseconds == {"camera": 3.0, "steps": 6.0, "decode": 9.0}
  assert np.any(found.image[:, 2:6] != 100)


def test_frames_of_the_last_seconds_are_counted():
  now = [0.0]
  rate = Rate(lambda: now[0])
  for second in range(21):
    now[0] = second / 10
    last = rate.count()
  assert last == 10.0
  now[0] = 60.0
  assert rate.count() == 0.5


def test_a_line_tells_stages_and_rate():
  shown = Answer(np.zeros((1, 1, 3)), {"camera": 1.2, "steps": 5.6}, "1 step")
  assert told(shown, 12.5) == "1 step; 7 ms: camera 1, steps 6; 12.5 frames/s"
