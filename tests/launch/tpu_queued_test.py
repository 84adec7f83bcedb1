"""launch/tpu_queued.sh: slices that are taken away, trainings that end."""

import pytest

from tests.launch.fakes import Fakes

SETTINGS = {
  "PROJECT": "lab", "ZONE": "z", "TYPE": "v5litepod-8", "BUCKET": "b",
  "CONFIG": "configs/rooms.py:smoke", "WORKDIR": "/mnt/bucket/run",
  "SOURCE": "x", "POLL": "1", "SETTLE": "0", "RESTARTS": "2",
}  # fmt: skip
# Runs what a host would, among the same fakes.
GCLOUD = """
case "$*" in
  *queued-resources\\ describe*)
    answer=$(%s)
    [[ "$answer" != ABSENT ]] || { echo NOT_FOUND >&2; exit 1; }
    echo "$answer" ;;
  *storage\\ ls*commit_success.txt*) printf %%s "%s" ;;
  *\\ ssh\\ *)
    for word in "$@"; do
      [[ "$word" != --command=* ]] || exec bash -c "${word#--command=}"
    done ;;
esac
"""


@pytest.fixture
def fakes(tmp_path) -> Fakes:
  found = Fakes(tmp_path)
  for name in ("mountpoint", "gcsfuse", "python3"):
    found.program(name)
  found.program("sudo", 'exec "$@"')
  found.program("systemd-run")
  trainer = tmp_path / "env" / "bin" / "scenetok"
  trainer.parent.mkdir(parents=True)
  trainer.write_text("#!/bin/bash\n")
  trainer.chmod(0o755)
  return found


def train(
  fakes: Fakes, states: list[str], units: list[str], files="", **changed: str
):
  """states: of the slice, look by look; units: of the training, likewise.

  files: those of complete checkpoints in the bucket.
  """
  fakes.program("gcloud", GCLOUD % (fakes.answers("states", states), files))
  show = fakes.answers("units", units)
  fakes.program("systemctl", f'[[ "$1" != show ]] || {{ {show}; }}')
  return fakes.run("tpu_queued.sh", SETTINGS | changed)


def test_a_finished_training_frees_the_slice(fakes):
  units = ["dead 0", "running 0", "exited 0"]
  found = train(fakes, ["ABSENT", "CREATING", "ACTIVE"], units)
  assert found.returncode == 0, found.stderr
  first = fakes.calls()[0]
  assert first.startswith("check ") and "--dry-run=config --devices=8" in first
  assert len(fakes.calls("queued-resources create")) == 1
  assert len(fakes.calls("systemd-run")) == 3  # gcloud's, sudo's, its own
  assert len(fakes.calls("queued-resources delete")) == 1


def test_a_slice_whose_state_lags_behind_its_preemption_is_replaced(fakes):
  states = ["ACTIVE"] * 4 + ["SUSPENDED", "ABSENT", "ACTIVE"]
  units = ["dead 0", "failed 1", "dead 0", "exited 0"]
  found = train(fakes, states, units, SETTLE="5")
  assert found.returncode == 0, found.stderr
  assert "the slice is gone; asking for another" in found.stderr
  assert len(fakes.calls("queued-resources create")) == 1
  assert len(fakes.calls("queued-resources delete")) == 2


def test_a_training_that_was_asked_to_end_goes_on_on_the_same_slice(fakes):
  units = ["dead 0", "failed 75", "failed 75", "exited 0"]
  found = train(fakes, ["ACTIVE"], units)
  assert found.returncode == 0, found.stderr
  assert not fakes.calls("queued-resources create")
  assert len(fakes.calls("sudo systemd-run --quiet")) == 4


def test_a_failed_training_keeps_the_slice(fakes):
  found = train(fakes, ["ACTIVE"], ["dead 0", "running 0", "failed 2"])
  assert found.returncode == 1
  assert "training failed on a healthy slice; it is kept" in found.stderr
  assert not fakes.calls("queued-resources delete")


def test_a_training_that_runs_is_watched_and_not_started_again(fakes):
  found = train(fakes, ["ACTIVE"], ["running 0", "running 0", "exited 0"])
  assert found.returncode == 0, found.stderr
  assert "the training is running; watching it" in found.stdout
  assert not fakes.calls("systemd-run")


def test_starts_without_a_new_checkpoint_come_to_an_end(fakes):
  found = train(fakes, ["ACTIVE"], ["failed 75"])
  assert found.returncode == 1
  assert "started 4 times without a checkpoint after step 0" in found.stderr


def test_checkpoints_in_a_bucket_count_once_they_are_complete(fakes):
  files = "gs://b/run/checkpoints/40/commit_success.txt\n"
  found = train(
    fakes,
    ["ACTIVE"],
    ["failed 75"],
    WORKDIR="gs://b/run",
    files=files + files.replace("40", "120"),
  )
  assert found.returncode == 1
  assert "without a checkpoint after step 120" in found.stderr


def test_a_slice_without_its_bucket_is_not_trained_on(fakes):
  fakes.program("mountpoint", "exit 1")
  fakes.program("gcsfuse", "exit 1")
  found = train(fakes, ["ACTIVE"], ["dead 0"])
  assert found.returncode == 1
  assert "failed on a healthy slice" in found.stderr
  assert not fakes.calls("systemd-run")
