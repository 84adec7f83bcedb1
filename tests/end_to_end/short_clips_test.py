"""DL3DV clips of any length: too short ones are named, the others train."""

import collections
import json

import pytest

from data_pipelines.loading import loader
from data_pipelines.storage.records import Dataset
from scenetok_jax.cli import prepare
from scenetok_jax.train import experiment
from scenetok_jax.workdir.config import load_config
from tests.data_pipelines import clips
from tests.end_to_end import runs

CONFIG = "configs/scenetok_dl3dv_videodc.py:smoke"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  """Prepared clips of 20, 40 and 100 frames, from the form of DL3DV."""
  folder = tmp_path_factory.mktemp("dl3dv")
  for frames in (20, 40, 100):
    scene = folder / f"raw/train/clip{frames}/nerfstudio"
    clips.write_capture(scene, frames, width=80, height=64, scale=2)
  prepare.main(
    ["--dataset=dl3dv", f"--source={folder / 'raw'}", "--split=train",
     "--size=64", "--workers=0", f"--out={folder / 'data'}"]
  )  # fmt: skip
  return folder / "data"


def config_of(data, *overrides):
  always = (f"--config.data.path={data}", "--config.train.eval_every=0")
  return load_config(CONFIG, [*always, *overrides])


def test_clips_that_hold_the_views_are_drawn_and_the_others_named(data):
  config = config_of(data, "--config.data.flip=False")
  stream = loader.train_iterator(config.data, seed=0)
  assert list(stream.dropped) == ["clip20"]
  assert "num_targets: 8 latents needed, but only 5" in stream.dropped["clip20"]
  known = Dataset(data)
  poses = {r.key: known.cameras(r).extrinsics for r in known.scenes}
  seen = collections.Counter(
    key
    for _ in range(4)
    for pose in next(stream).target.cameras.extrinsics[:, -1]
    for key in poses
    if (poses[key] == pose).all((1, 2)).any()
  )
  state = stream.get_state()
  later = next(stream)
  stream.close()
  assert seen == {"clip40": 16, "clip100": 16}  # every epoch draws both
  again = loader.train_iterator(config.data, seed=0)
  again.set_state(state)
  assert (next(again).target.images == later.target.images).all()
  again.close()


@pytest.mark.slow
def test_a_run_leaves_the_short_clip_out_and_resumes_bit_for_bit(
  data, tmp_path, capsys
):
  def run(name, steps):
    steps = f"--config.train.total_steps={steps}"
    config = config_of(data, steps, "--config.optimizer.decay_steps=4")
    experiment.run(config, tmp_path / name)
    return tmp_path / name

  whole = run("whole", 4)
  assert "scene clip20 is left out: data.num_targets" in capsys.readouterr().err
  (dropped,) = json.loads((whole / experiment.DROPPED_FILE).read_text())
  assert dropped["scene"] == "clip20" and "lower data." in dropped["reason"]
  run("parts", 2)
  assert runs.losses(run("parts", 4)) == runs.losses(whole)
  runs.assert_same_end(tmp_path / "parts", whole)
