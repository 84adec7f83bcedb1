"""The DL3DV commands: RE10K to Video DC-AE on DL3DV, from there to Wan."""

import json

import jax
import numpy as np
import pytest

from data_pipelines.storage import builders
from scenetok_jax.model import build, init_stage1
from scenetok_jax.train import experiment
from scenetok_jax.workdir.checkpoint import restore_params, save_params
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.stored_config import store_config
from tests.data_pipelines import clips
from tests.networks import normals

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  folder = tmp_path_factory.mktemp("data")
  builders.build(folder, clips.plan(scenes=4, frames=40, size=64))
  return folder


def start(folder):
  """A workdir of the RE10K smoke networks with drawn weights."""
  config = load_config("configs/scenetok_re10k.py:smoke")
  model = build(config)
  shapes = jax.eval_shape(
    lambda key: init_stage1(model, key), jax.random.key(0)
  )
  leaves, tree = jax.tree.flatten(shapes)
  drawn = [0.1 * normals(i, *x.shape) for i, x in enumerate(leaves)]
  store_config(folder, config.to_dict())
  save_params(folder, tree.unflatten(drawn), {})
  return folder


def fine_tune(name, data, restore, workdir, *more):
  """The two calls of a Python user."""
  overrides = [
    f"--config.data.path={data}", f"--config.restore={restore}",
    "--config.train.eval_every=0", *more,
  ]  # fmt: skip
  config = load_config(f"configs/{name}.py:smoke", overrides)
  return experiment.run(config, workdir)


def test_the_dl3dv_runs_start_from_what_fits(data, tmp_path, capsys):
  first, second, third = (tmp_path / name for name in ("re10k", "vdc", "wan"))
  start(first)
  tokens = "--config.tokenizer.num_tokens=12"
  state = fine_tune("scenetok_dl3dv_videodc", data, first, second, tokens)
  assert int(state.step) == 2
  assert "the first 8 scene tokens copied" in capsys.readouterr().err
  old, new = restore_params(first), restore_params(second)
  found = new["tokenizer"]["scene_tokens"]
  assert found.shape[0] == 12
  # Two steps at a rate of about 1e-5 leave them where they started.
  np.testing.assert_allclose(
    found[:8], old["tokenizer"]["scene_tokens"], atol=1e-3
  )
  fine_tune("scenetok_dl3dv_wan", data, second, third, tokens)
  assert "decoder/camera/embed/kernel" in capsys.readouterr().err
  frozen = restore_params(third)["tokenizer"]["scene_tokens"]
  np.testing.assert_array_equal(frozen, found)
  rows = (third / "metrics.jsonl").read_text().splitlines()
  assert all(np.isfinite(json.loads(row)["loss"]) for row in rows)
