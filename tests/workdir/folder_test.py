"""One live run per workdir, and only with the config that made it."""

import json
import os
import signal
import subprocess
import sys

import pytest

from scenetok_jax.types import InputError
from scenetok_jax.workdir import folder as workdir

CONFIG = {
  "seed": 1,
  "data": {"path": "a", "workers": 2},
  "train": {"total_steps": 10},
  "model": {"sizes": (1, 2)},
}


def changed(**fields):
  config = json.loads(json.dumps(CONFIG))
  for name, value in fields.items():
    section, field = name.split("__")
    config[section][field] = value
  return config


def test_same_config_passes_and_free_fields_may_change(tmp_path):
  workdir.check_config(tmp_path, CONFIG)
  workdir.check_config(tmp_path, CONFIG)
  workdir.check_config(tmp_path, changed(train__total_steps=20))
  workdir.check_config(tmp_path, changed(data__workers=0))
  assert workdir.load_config(tmp_path)["model"]["sizes"] == [1, 2]


def test_another_config_is_refused_and_nothing_overwritten(tmp_path):
  workdir.check_config(tmp_path, CONFIG)
  before = (tmp_path / "config.json").read_bytes()
  with pytest.raises(InputError, match=r"data\.path is a there, b here"):
    workdir.check_config(tmp_path, changed(data__path="b"))
  with pytest.raises(InputError, match=r"model\.depth is absent there, 3"):
    workdir.check_config(tmp_path, changed(model__depth=3))
  assert (tmp_path / "config.json").read_bytes() == before
  assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_unreadable_or_absent_config_is_one_clear_line(tmp_path):
  with pytest.raises(InputError, match="not found"):
    workdir.load_config(tmp_path)
  (tmp_path / "config.json").write_text("{")
  with pytest.raises(InputError, match="cannot be read"):
    workdir.check_config(tmp_path, CONFIG)
  assert (tmp_path / "config.json").read_text() == "{"


@pytest.mark.faults("an unwritable workdir")
def test_workdir_that_cannot_be_made_is_refused(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(InputError, match="cannot be made"):
    workdir.check_config(tmp_path / "file" / "run", CONFIG)


HOLD = """
import sys, time
from scenetok_jax.workdir import folder as workdir
with workdir.lock({folder!r}):
  if {fork}:
    import os
    running, tell = os.pipe()
    child = os.fork()
    if child == 0:
      os.write(tell, b"!")
      time.sleep(60)
      os._exit(0)
    os.read(running, 1)  # the kernel may start it long after fork returns
    print("child", child, flush=True)
  print("held", flush=True)
  time.sleep(60)
"""


def holder(folder, fork=False):
  child = subprocess.Popen(
    [sys.executable, "-c", HOLD.format(folder=str(folder), fork=fork)],
    stdout=subprocess.PIPE,
    text=True,
  )
  forked = None
  for line in child.stdout:
    if line.startswith("child"):
      forked = int(line.split()[1])
    if line.startswith("held"):
      return child, forked
  raise AssertionError("the holder died")


@pytest.mark.faults("two runs in one workdir")
def test_second_live_run_is_refused_by_pid(tmp_path):
  child, _ = holder(tmp_path)
  try:
    with (
      pytest.raises(InputError, match=f"in use by process {child.pid} on"),
      workdir.lock(tmp_path),
    ):
      pass
  finally:
    child.kill()
    child.communicate()


@pytest.mark.faults("the lock of a killed run")
def test_lock_of_a_killed_run_is_taken_over_despite_its_workers(tmp_path):
  child, forked = holder(tmp_path, fork=True)
  os.kill(child.pid, signal.SIGKILL)
  child.wait()
  try:
    with workdir.lock(tmp_path):
      owner = json.loads((tmp_path / "run.lock").read_text())
      assert owner["pid"] == os.getpid()
  finally:
    os.kill(forked, signal.SIGKILL)
    child.stdout.close()


def test_lock_is_free_again_after_the_run(tmp_path):
  for _ in range(2):
    with workdir.lock(tmp_path):
      pass
