"""Four processes train as one does, and survive the loss of one of them."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from scenetok_jax.train.preemption import PREEMPTED
from tests.end_to_end import runs

STEPS = 20
TOLERANCE = 1e-5


STARTUP = Path(__file__).parent / "startup"


def variables(devices: int) -> dict[str, str]:
  """Of processes that start together, and find what others have compiled."""
  path = [str(STARTUP), *filter(None, [os.getenv("PYTHONPATH")])]
  return os.environ | {
    "JAX_NUM_CPU_DEVICES": str(devices),
    "PYTHONPATH": os.pathsep.join(path),
    "DEVICES": str(devices),
    "PYTHON": runs.command("tokenizer", "", "", 1, None)[0],
    "GRACE": "20",
  }


def launch(count: int, arguments: list[str]) -> list[str]:
  return ["launch/local.sh", str(count), "train", *arguments]


def child_of(pid: int, rank: int) -> int:
  """The training process of a rank below launch/local.sh."""
  found = subprocess.run(
    ["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True
  )
  for child in found.stdout.split():
    environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
    if f"JAX_PROCESS_ID={rank}".encode() in environment:
      return int(child)
  raise AssertionError(f"no process of rank {rank}")


@pytest.mark.slow
@pytest.mark.faults("one of four processes killed; another mesh and count")
@pytest.mark.parametrize("stage", runs.STAGES)
def test_four_processes_are_one_and_outlive_the_loss_of_one(tmp_path, stage):
  data = runs.rooms(tmp_path / "data")
  below = None
  if stage == "generator":
    below = runs.tokenizer_run(tmp_path, data)

  def flags(name, *more):
    return [*runs.flags(stage, tmp_path / name, data, STEPS, below), *more]

  def run(line, devices):
    env = variables(devices)
    subprocess.run(line, cwd=runs.ROOT, env=env, check=True)

  alone = runs.command(stage, tmp_path / "one", data, STEPS, below)
  run(alone, 8)
  run(launch(4, flags("four")), 2)
  runs.assert_close(tmp_path / "one", tmp_path / "four", STEPS, TOLERANCE)

  # One process dies: the job must end by itself and say who died.
  workdir = tmp_path / "killed"
  job = subprocess.Popen(
    launch(4, flags("killed")),
    cwd=runs.ROOT,
    env=variables(2),
    stderr=subprocess.PIPE,
    text=True,
  )
  try:
    runs.wait_for(lambda: runs.logged_steps(workdir) >= 3, job)
    os.kill(child_of(job.pid, 2), signal.SIGKILL)
    _, errors = job.communicate(timeout=runs.SECONDS)
  finally:
    job.terminate()
  assert job.returncode == 128 + signal.SIGKILL
  assert "process 2 of 4 ended by signal 9; stopping the others" in errors
  assert STEPS not in runs.losses(workdir)
  run(launch(4, flags("killed")), 2)
  assert runs.losses(workdir) == runs.losses(tmp_path / "four")
  runs.assert_same_end(workdir, tmp_path / "four")


@pytest.mark.slow
@pytest.mark.faults("restart on another process count and mesh")
@pytest.mark.parametrize("stage", runs.STAGES)
def test_a_run_goes_on_with_other_processes_and_another_mesh(tmp_path, stage):
  data = runs.rooms(tmp_path / "data")
  below = None
  if stage == "generator":
    below = runs.tokenizer_run(tmp_path, data)
  workdir, whole = tmp_path / "moved", tmp_path / "whole"
  env = runs.environment()

  def flags(folder):
    return runs.flags(stage, folder, data, STEPS, below)

  line = runs.command(stage, whole, data, STEPS, below)
  subprocess.run(line, cwd=runs.ROOT, env=env, check=True)
  line = runs.command(stage, workdir, data, STEPS, below)
  status, _ = runs.disturb(line, workdir, 5, 0.0, signal.SIGTERM, env)
  assert status == PREEMPTED and STEPS not in runs.losses(workdir)
  mesh = ["--config.mesh.data=2", "--config.mesh.fsdp=2"]
  subprocess.run(
    launch(2, [*flags(workdir), *mesh]),
    cwd=runs.ROOT, env=variables(2), check=True,
  )  # fmt: skip
  runs.assert_close(workdir, whole, STEPS, TOLERANCE)
