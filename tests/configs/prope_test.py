"""configs/quickstart.py:prope trains, and renders lenses not seen before."""

import functools

import jax
import numpy as np
import pytest

from scenetok_jax import Cameras, SceneTok
from scenetok_jax.configs import quickstart
from scenetok_jax.model import build, init_stage1
from tests import networks, trainings
from tests.cli import workdirs


@pytest.mark.slow
def test_trains_two_steps(tmp_path):
  config = f"{trainings.ROOT}/configs/quickstart.py:prope,smoke"
  losses = trainings.train(tmp_path, trainings.ROOT, f"--config={config}")
  assert np.isfinite([*losses.values()]).all()
  model = SceneTok.from_pretrained(tmp_path / "run").model
  parts = model.tokenizer, model.decoder
  assert {net.camera_conditioning for net in parts} == {"prope"}


def test_renders_narrow_and_wide_lenses(tmp_path):
  config = quickstart.get_config("prope,smoke")
  init = functools.partial(init_stage1, build(config))
  params = jax.tree.map(np.asarray, networks.drawn(init))
  model = SceneTok.from_pretrained(workdirs.write(tmp_path, config, params))
  draws = np.random.default_rng(0)
  images = draws.integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
  poses = np.tile(np.eye(4, dtype="f"), (6, 1, 1))
  poses[:, 0, 3] = np.arange(6) / 10

  def cameras(focal: float) -> Cameras:
    lens = np.array([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]], "f")
    return Cameras(poses, np.tile(lens, (6, 1, 1)))

  scene = model.encode(images, cameras(0.5))
  # 90 degrees of view, 157 and 14.
  videos = [model.render(scene, cameras(f), steps=2) for f in (0.5, 0.1, 4.0)]
  assert {video.shape for video in videos} == {(6, 64, 64, 3)}
  assert len({video.tobytes() for video in videos}) == 3
