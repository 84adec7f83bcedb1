"""`scenetok evaluate`: what it refuses, in one line and with exit code 2."""

import pytest

from data_pipelines.records import Dataset
from scenetok_jax.cli import assemble, common, evaluate, prepare
from scenetok_jax.types import InputError


def test_a_batch_of_one_is_refused(capsys):
  code = common.run(evaluate.main, ["--workdir=x", "--batch=1"])
  assert code == 2
  assert "--batch: 1 leaves no other scene" in capsys.readouterr().err


def test_a_workdir_without_a_config_is_refused(tmp_path, capsys):
  code = common.run(evaluate.main, [f"--workdir={tmp_path}"])
  message = capsys.readouterr().err
  assert code == 2
  assert "config.json: not found" in message
  assert message.count("\n") == 1


def test_frames_that_were_trained_on_are_not_scored(tmp_path):
  prepare.main(
    ["--dataset=rooms", "--split=train", "--scenes=1", "--frames=8",
     "--workers=0", f"--out={tmp_path}"]
  )  # fmt: skip
  with pytest.raises(InputError, match="every frame was trained on"):
    assemble.evaluation_scenes(str(tmp_path), "train", 2)


def test_held_out_frames_are_the_ones_scored(tmp_path):
  prepare.main(
    ["--dataset=rooms", "--split=train", "--scenes=1", "--frames=10",
     "--holdout-every=5", "--workers=0", f"--out={tmp_path}"]
  )  # fmt: skip
  (scene,) = assemble.evaluation_scenes(str(tmp_path), "train", 2)
  (row,) = Dataset(tmp_path, "train").scenes
  assert len(scene.target.images) == len(row.held_out) == 2
  assert len(scene.context.images) == 2
