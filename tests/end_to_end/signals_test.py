"""Real ranks save one step and end with 75, whoever is asked to end."""

import json
import os
import signal
import subprocess

import pytest

from scenetok_jax.train.experiment import FINISHED_FILE
from scenetok_jax.train.preemption import PREEMPTED
from scenetok_jax.workdir.stored import complete_steps
from tests.end_to_end import runs
from tests.end_to_end.processes_test import child_of, launch, variables

MANY = 100_000  # steps that nobody waits for
ASKED = {
  "TERM to one rank": ("rank", signal.SIGTERM),
  "Ctrl-C to one rank": ("rank", signal.SIGINT),
  "Ctrl-C in the terminal": ("group", signal.SIGINT),
  "TERM to the group": ("group", signal.SIGTERM),
  "HUP to the launcher": ("launcher", signal.SIGHUP),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  return runs.rooms(tmp_path_factory.mktemp("data"))


@pytest.mark.slow
@pytest.mark.faults("ranks of a job signalled: one, all, the group")
@pytest.mark.parametrize("name", ASKED)
def test_all_ranks_save_the_same_step_and_end(tmp_path, data, name):
  whom, number = ASKED[name]
  workdir = tmp_path / "run"
  flags = runs.flags("tokenizer", workdir, data, MANY, None)
  flags.append(f"--config.train.checkpoint_every={MANY}")
  job = subprocess.Popen(
    launch(2, flags), cwd=runs.ROOT, env=variables(2),
    stderr=subprocess.PIPE, text=True, start_new_session=True,
  )  # fmt: skip
  try:
    runs.wait_for(lambda: runs.logged_steps(workdir) >= 3, job)
    ranks = [child_of(job.pid, rank) for rank in range(2)]
    if whom == "group":
      os.killpg(job.pid, number)
    else:
      os.kill({"rank": ranks[1], "launcher": job.pid}[whom], number)
    _, errors = job.communicate(timeout=120)
  finally:
    job.kill()
  assert job.returncode == PREEMPTED, errors
  (step,) = complete_steps(workdir)
  for rank in range(2):
    assert f"[{rank}] scenetok train: saved step {step}" in errors
    assert not os.path.exists(f"/proc/{ranks[rank]}")


@pytest.mark.slow
def test_a_run_says_whether_it_finished_or_was_stopped(tmp_path, data):
  workdir, env = tmp_path / "run", runs.environment()
  line = runs.command("tokenizer", workdir, data, 40, None)
  line.append("--config.data.workers=1")
  status, _ = runs.disturb(line, workdir, 3, 0.0, signal.SIGINT, env)
  assert status == PREEMPTED and not (workdir / FINISHED_FILE).exists()
  assert complete_steps(workdir)[-1] < 40
  subprocess.run(line, cwd=runs.ROOT, env=env, check=True)
  assert json.loads((workdir / FINISHED_FILE).read_text()) == {"step": 40}
