"""Trainings whose workdir is in a bucket: real processes, a real emulator."""

import json
import os
import signal
import subprocess

import pytest
from etils import epath

from scenetok_jax.train.preemption import PREEMPTED
from scenetok_jax.workdir.stored import complete_steps
from tests.end_to_end import runs
from tests.end_to_end.processes_test import launch, variables

STEPS = 12


def losses(workdir):
  lines = (epath.Path(workdir) / "metrics.jsonl").read_text().splitlines()
  return {row["step"]: row["loss"] for row in map(json.loads, lines)}


def logged(workdir):
  path = epath.Path(workdir) / "metrics.jsonl"
  return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.slow
@pytest.mark.faults("SIGKILL and SIGTERM of a run in a bucket")
def test_a_run_in_a_bucket_is_the_run_on_a_disk(tmp_path, bucket):
  data, env = runs.rooms(tmp_path / "data"), runs.environment()
  disk, cloud = tmp_path / "disk", f"{bucket}/run"

  def command(workdir, *more):
    return [*runs.command("tokenizer", workdir, data, STEPS, None), *more]

  def go(line):
    subprocess.run(line, cwd=runs.ROOT, env=env, check=True)

  go(command(disk))
  go(command(cloud, "--dry-run"))
  assert not epath.Path(cloud).exists()
  for number, status in (
    (signal.SIGKILL, -signal.SIGKILL),
    (signal.SIGTERM, PREEMPTED),
  ):
    before = logged(cloud)
    run = subprocess.Popen(command(cloud), cwd=runs.ROOT, env=env)
    try:
      runs.wait_for(lambda: logged(cloud) > before, run)  # noqa: B023
      run.send_signal(number)
      assert run.wait(120) == status
    finally:
      run.kill()
  go(command(cloud))
  assert losses(cloud) == losses(disk) and len(losses(disk)) == STEPS
  runs.assert_same_end(cloud, disk)
  assert complete_steps(cloud) == complete_steps(disk)
  names = {path.name for path in epath.Path(cloud).iterdir()}
  local = {path.name for path in disk.iterdir()}
  assert names == local - {"tensorboard"} and "finished.json" in names
  assert not os.path.exists(runs.ROOT / "gs:")


@pytest.mark.slow
def test_processes_share_a_bucket_and_stage_two_reads_it(tmp_path, bucket):
  data = runs.rooms(tmp_path / "data")
  first, second = f"{bucket}/first", f"{bucket}/second"

  def go(line):
    subprocess.run(line, cwd=runs.ROOT, env=variables(2), check=True)

  go(launch(2, runs.flags("tokenizer", first, data, 4, None)))
  assert sorted(losses(first)) == [1, 2, 3, 4]
  go(launch(2, runs.flags("generator", second, data, 4, first)))
  assert complete_steps(second)[-1] == 4
  out = tmp_path / "out"
  verb = [runs.command("tokenizer", "", "", 1, None)[0], "-m", "scenetok_jax"]
  verb[-1] += ".cli.render"
  go([*verb, f"--workdir={first}", f"--data={data}", "--split=train",
      "--scene=0", "--steps=2", f"--out={out}"])  # fmt: skip
  assert any(out.rglob("*.mp4"))


@pytest.mark.slow
@pytest.mark.faults("processes of a run see different workdirs")
def test_processes_that_see_another_workdir_are_named(tmp_path):
  data, ranks = runs.rooms(tmp_path / "data"), []
  port = str(20_000 + os.getpid() % 20_000)
  for rank in range(2):
    env = variables(2) | {
      "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
      "JAX_NUM_PROCESSES": "2",
      "JAX_PROCESS_ID": str(rank),
    }
    line = runs.command("tokenizer", tmp_path / f"run{rank}", data, 4, None)
    ranks.append(
      subprocess.Popen(
        line, cwd=runs.ROOT, env=env, stderr=subprocess.PIPE, text=True
      )
    )
  try:
    for rank in ranks:
      _, errors = rank.communicate(timeout=300)
      assert rank.returncode == 2
      (told,) = [line for line in errors.splitlines() if "does not see" in line]
      assert str(tmp_path / "run1") in told and "run0)" not in told
      assert "Traceback" not in errors
  finally:
    for rank in ranks:
      rank.kill()
  assert not (tmp_path / "run1").exists()
  assert os.listdir(tmp_path / "run0") == []
