"""A training run that lost its workdir to another writes nothing more there."""

import json
import subprocess

import pytest

from scenetok_jax.workdir.lock import LOCK_FILE
from tests.end_to_end import runs


@pytest.mark.slow
@pytest.mark.faults("another run takes the workdir of a live one")
def test_a_run_whose_workdir_was_taken_ends_in_one_line(tmp_path):
  data = runs.rooms(tmp_path / "data")
  workdir = tmp_path / "run"
  line = runs.command("tokenizer", workdir, data, 100_000, None)
  run = subprocess.Popen(
    line, cwd=runs.ROOT, env=runs.environment(),
    stderr=subprocess.PIPE, text=True,
  )  # fmt: skip
  try:
    runs.wait_for(lambda: runs.logged_steps(workdir) >= 3, run)
    taken = {"owner": "other", "pid": 7, "host": "there"}
    # The run's thread may be between its look and its renewal: again.
    while run.poll() is None:
      (workdir / LOCK_FILE).write_text(json.dumps(taken))
      try:
        run.wait(3)
      except subprocess.TimeoutExpired:
        continue
    errors = run.communicate(timeout=60)[1]
  finally:
    run.kill()
  assert run.returncode == 2
  (told,) = [line for line in errors.splitlines() if "taken over" in line]
  assert told.startswith("scenetok train: error: ")
  assert f"{LOCK_FILE}: process 7 on there has taken over the workdir" in told
  assert "Traceback" not in errors
  assert json.loads((workdir / LOCK_FILE).read_text()) == taken
