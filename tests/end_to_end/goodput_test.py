"""A killed run knows what the kill has cost it."""

import json
import signal
import subprocess
import sys

import pytest

from scenetok_jax.train.lives import LIVES_FILE, read_lives
from scenetok_jax.workdir.stored import complete_steps
from tests.end_to_end import runs

STEPS = 80


@pytest.mark.slow
@pytest.mark.faults("SIGKILL, then SIGTERM: what they cost is known")
def test_steps_and_seconds_of_all_lives_are_accounted_for(tmp_path):
  data, workdir = runs.rooms(tmp_path / "data"), tmp_path / "run"
  env, file = runs.environment(), tmp_path / "goodput.json"
  line = runs.command("tokenizer", workdir, data, STEPS, None)
  line.append("--config.train.checkpoint_every=8")
  saved = []
  for steps, how in ((40, signal.SIGKILL), (60, signal.SIGTERM)):
    runs.disturb(line, workdir, steps, 0.0, how, env)
    saved.append(complete_steps(workdir)[-1])
  subprocess.run(line, cwd=runs.ROOT, env=env, check=True)
  killed, stopped, last = lives = read_lives(workdir / LIVES_FILE)
  assert [row["ended"] for row in lives] == ["killed", "stopped", "finished"]
  assert [row["first_step"] for row in lives] == [0, *saved]
  assert killed["last_step"] >= saved[0] and last["last_step"] == STEPS
  assert stopped["last_step"] == saved[1]  # it saved where it was
  for row in lives:
    spent = row["seconds"]
    assert sum(spent.values()) == pytest.approx(row["end"] - row["begin"], 0.01)
    assert min(spent[kind] for kind in ("start", "compile", "step")) > 0
    assert (spent["restore"] > 0) == (row is not killed)
  done = subprocess.run(
    [sys.executable, "-m", "scenetok_jax.cli.goodput", workdir,
     f"--json={file}"],
    cwd=runs.ROOT, env=env, check=True, capture_output=True, text=True,
  )  # fmt: skip
  print(done.stdout)
  found = json.loads(file.read_text())
  # Each step counts once, but for those after a killed life's last beat.
  assert STEPS - found["steps"] == max(saved[0] - killed["last_step"], 0)
  assert found["steps_again"] == max(killed["last_step"] - saved[0], 0)
  assert sum(found["seconds"].values()) == pytest.approx(found["wall_seconds"])
  assert found["seconds"]["between"] > 0 < found["productive_share"] < 1
  assert "3          " in done.stdout and "finished" in done.stdout


@pytest.mark.slow
def test_a_reader_that_is_too_slow_is_seen(tmp_path):
  data, workdir = runs.rooms(tmp_path / "data"), tmp_path / "run"
  env = runs.environment()
  line = runs.flags("tokenizer", workdir, data, 12, None)
  slow = (
    "import sys, time\n"
    "from data_pipelines.storage.records import Dataset\n"
    "read = Dataset.read_frames\n"
    "Dataset.read_frames = lambda *a: time.sleep(0.5) or read(*a)\n"
    "from scenetok_jax.cli import train\n"
    "train.main(sys.argv[1:])\n"
  )
  line = [sys.executable, "-c", slow, *line, "--config.data.cache=False"]
  subprocess.run(line, cwd=runs.ROOT, env=env, check=True)
  rows = [
    json.loads(text)
    for text in (workdir / "metrics.jsonl").read_text().splitlines()
  ]
  assert len(rows) == 12
  waits = sum(row["data_wait_seconds"] for row in rows[2:])
  assert waits > 0.5 * sum(row["step_seconds"] for row in rows[2:]) > 1.0
