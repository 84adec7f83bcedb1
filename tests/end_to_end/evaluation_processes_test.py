"""Scores during a training of several processes, and their loss."""

import os
import signal
import subprocess

import pytest

from scenetok_jax.cli import prepare
from scenetok_jax.train.loggers import read_rows
from scenetok_jax.train.writer import EVAL_FILE
from tests.end_to_end import runs
from tests.end_to_end.processes_test import child_of, launch, variables

STEPS = 10


def _scores(workdir):
  return {row["step"]: row for row in read_rows(workdir / EVAL_FILE)}


def _due(workdir):
  """Steps that are to be saved and scored, once their metrics are there."""
  return {step for step in runs.losses(workdir) if step % 2 == 0}


@pytest.mark.slow
@pytest.mark.faults("a rank killed at a save, before its evaluation")
def test_a_rank_killed_before_its_evaluation_changes_nothing(tmp_path):
  data = runs.rooms(tmp_path / "data")
  prepare.main(
    ["--dataset=rooms", "--split=test", "--scenes=3", "--frames=16",
     "--workers=0", f"--out={data}"]
  )  # fmt: skip

  def line(name):
    found = runs.flags("tokenizer", tmp_path / name, data, STEPS, None)
    return launch(
      4,
      [
        *found,
        "--config.train.eval_every=2",
        "--config.train.eval_scenes=3",
        "--config.mesh.fsdp=2",
      ],
    )

  subprocess.run(line("whole"), cwd=runs.ROOT, env=variables(2), check=True)
  whole = _scores(tmp_path / "whole")
  assert sorted(whole) == list(range(2, STEPS + 1, 2))
  assert all(row["scenes"] == 3 and row["psnr"] > 0 for row in whole.values())

  workdir, killed = tmp_path / "killed", 0
  for rank in (0, 3):
    old = _due(workdir)
    job = subprocess.Popen(line("killed"), cwd=runs.ROOT, env=variables(2))
    try:
      # Its save has begun or is about to; its scores are not there yet.
      runs.wait_for(
        lambda old=old: _due(workdir) - old - set(_scores(workdir)), job
      )
      if job.poll() is None:
        os.kill(child_of(job.pid, rank), signal.SIGKILL)
        killed += 1
      job.wait(timeout=runs.SECONDS)
    finally:
      job.terminate()
  assert killed == 2
  subprocess.run(line("killed"), cwd=runs.ROOT, env=variables(2), check=True)
  assert _scores(workdir) == whole
  assert runs.losses(workdir) == runs.losses(tmp_path / "whole")
  runs.assert_same_end(workdir, tmp_path / "whole")
