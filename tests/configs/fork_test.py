"""An experiment is one file: a fork of ours, from any folder, trains."""

import json

from tests import trainings


def test_a_fork_trains_from_its_own_folder(shared_folder):
  folder, losses = trainings.plain(shared_folder)
  assert losses.keys() == {1, 2}
  stored = json.loads((folder / "run" / "config.json").read_text())
  assert stored["optimizer"]["learning_rate"] == 0.1
