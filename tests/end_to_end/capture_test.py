"""A user's own captures, from photographs to scores of unseen frames."""

import json
from pathlib import Path

import pytest

from scenetok_jax.cli import evaluate, prepare, train
from tests.data_pipelines import clips

FRAMES = {"clip": 12, "photographs": 4}


@pytest.mark.slow
def test_captures_are_prepared_trained_on_and_scored(tmp_path, monkeypatch):
  monkeypatch.chdir(Path(__file__).parents[2])
  for name, frames in FRAMES.items():
    clips.write_capture(tmp_path / "raw" / name, frames, width=96, height=80)
  data, workdir = tmp_path / "data", tmp_path / "run"
  prepare.main(
    ["--dataset=capture", f"--source={tmp_path / 'raw'}", f"--out={data}",
     "--holdout-every=5", "--workers=0"]
  )  # fmt: skip
  train.main(
    ["--config=configs/capture.py:smoke", f"--workdir={workdir}",
     f"--config.data.path={data}", "--config.train.eval_every=0"]
  )  # fmt: skip
  report = tmp_path / "scores.json"
  evaluate.main(
    [f"--workdir={workdir}", "--protocol=heldout", f"--json={report}",
     f"--out={tmp_path}"]
  )  # fmt: skip
  scores = json.loads(report.read_text())
  assert scores["per_scene"].keys() == FRAMES.keys()
  # Every fifth frame from the third on: 2 of 12, 1 of 4.
  assert scores["frames"] == 3
  assert scores["checkpoint_step"] == 2
  # Clips of other lengths still lend each other their tokens.
  for scene in scores["per_scene"].values():
    assert scene["wrong_scene_psnr"] != scene["psnr"]
  assert (tmp_path / "contact_sheet.png").is_file()
