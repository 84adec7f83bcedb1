"""launch/slurm.sbatch inside a job: queued again, finished, or given up."""

import pytest

from tests.launch.fakes import Fakes


def job(tmp_path, srun: str, **changed: str):
  """One life of a job whose step is the bash `srun`."""
  fakes = Fakes(tmp_path)
  fakes.program("srun", srun)
  for name in ("scontrol", "scancel"):
    fakes.program(name)
  workdir = tmp_path / "run"
  workdir.mkdir(exist_ok=True)
  settings = {
    "CONFIG": "configs/rooms.py:smoke", "WORKDIR": str(workdir),
    "SLURM_JOB_ID": "7", "W": str(workdir),
  }  # fmt: skip
  return fakes, lambda: fakes.run("slurm.sbatch", settings | changed)


@pytest.mark.parametrize(
  "srun, status, queued",
  [
    ("touch $W/finished.json", 0, False),
    ("exit 75", 0, True),
    ("kill -USR1 $PPID; sleep 0.5; exit 1", 0, True),
    ("exit 2", 2, False),
    ("kill -USR1 $PPID; sleep 0.5; touch $W/finished.json", 0, False),
  ],
)
def test_a_job_is_queued_again_unless_it_finished_or_failed(
  tmp_path, srun, status, queued
):
  fakes, run = job(tmp_path, srun)
  assert run().returncode == status
  assert fakes.calls("scontrol") == ["scontrol requeue 7"] * queued


def test_a_job_without_a_new_checkpoint_gives_up(tmp_path):
  fakes, run = job(tmp_path, "exit 75", RESTARTS="1")
  assert [run().returncode for _ in range(3)] == [0, 0, 1]
  assert len(fakes.calls("scontrol")) == 2
  (tmp_path / "run" / "checkpoints" / "20").mkdir(parents=True)
  assert run().returncode == 0
