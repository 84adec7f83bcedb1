"""`scenetok goodput`: the lives of a run, told and as JSON."""

import json

from scenetok_jax import console
from scenetok_jax.cli import goodput
from scenetok_jax.train.activity import Activity
from scenetok_jax.train.lives import LIVES_FILE, LifeLog


def run(*argv):
  return console.run(goodput.main, [str(a) for a in argv], "goodput")


def test_shares_and_lives_are_told(tmp_path, capsys):
  activity = Activity()
  activity.first_step, activity.last_step = 0, 7
  with LifeLog(tmp_path, 9, activity, lambda: None):
    activity.at("step 7", "step")
  file = tmp_path / "goodput.json"
  assert run(tmp_path, f"--json={file}") == 0
  out = capsys.readouterr().out
  assert "steps that count: 7, and 0 trained again" in out
  assert "0 to 7" in out and "stopped" in out
  found = json.loads(file.read_text())
  assert found["steps"] == 7 and 0 <= found["productive_share"] <= 1
  assert len(found["lives"]) == 1


def test_a_folder_without_lives_is_one_line(tmp_path, capsys):
  assert run(tmp_path) == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert f"{tmp_path / LIVES_FILE}: not there; give the workdir" in line
