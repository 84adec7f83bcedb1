"""An experiment is one file: a fork of ours, from any folder, trains."""

import json

import numpy as np

from data_pipelines.storage.records import Dataset
from scenetok_jax import SceneTok
from tests import trainings


def test_a_fork_trains_from_its_own_folder(shared_folder):
  folder, losses = trainings.plain(shared_folder)
  assert losses.keys() == {1, 2}
  stored = json.loads((folder / "run" / "config.json").read_text())
  assert stored["optimizer"]["learning_rate"] == 0.1


def test_a_run_knows_how_large_its_scenes_were(shared_folder, tmp_path):
  folder, _ = trainings.plain(shared_folder)
  model = SceneTok.from_pretrained(folder / "run")
  kept = model.save_pretrained(tmp_path / "compact") / "config.json"
  scale = json.loads(kept.read_text())["scale"]
  assert scale["scenes"] == 4
  cameras = [Dataset(folder / "data").cameras(i).extrinsics for i in range(4)]
  largest = max(np.ptp(c[:, :3, 3], axis=0).max() for c in cameras)
  assert 0 < scale["baseline"][2] < 2 * largest
