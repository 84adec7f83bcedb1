"""A rank of a real training that hangs or dies is named on every other one."""

import os
import signal
import socket
import subprocess
import time

import pytest

from scenetok_jax.train.hang import WAITED
from tests.end_to_end import runs
from tests.end_to_end.processes_test import child_of, launch, variables

RANKS, GUILTY = 4, 2
LIMIT = 8.0  # config.train.hang_timeout
# Run by the interpreter of each rank before anything else.
_HANGS = f"""
import importlib.util, os, sys, time
import one_program

class Hook:
  def find_spec(self, name, path, target=None):
    if name != os.environ["HANG_IN"].rpartition(":")[0]:
      return None
    sys.meta_path.remove(self)
    spec = importlib.util.find_spec(name)
    execute = spec.loader.exec_module
    def exec_module(module):
      execute(module)
      owner, name = os.environ["HANG_IN"].rpartition(":")[2].split(".")
      owner, calls = getattr(module, owner), []
      whole = getattr(owner, name)
      def hangs(*args, **kwargs):
        calls.append(1)
        if len(calls) > int(os.environ["HANG_AFTER"]):
          time.sleep(1e6)
        return whole(*args, **kwargs)
      setattr(owner, name, hangs)
    spec.loader.exec_module = exec_module
    return spec

if os.environ.get("HANG_IN") and os.environ.get("JAX_PROCESS_ID") == "{GUILTY}":
  sys.meta_path.insert(0, Hook())
"""
RESTORE = "scenetok_jax.workdir.checkpoint:Checkpointer.restore"
DATA = "data_pipelines.storage.records:Dataset.read_frames"
SAVE = "scenetok_jax.workdir.checkpoint:Checkpointer.save"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
  return runs.rooms(tmp_path_factory.mktemp("data"))


def line(workdir, data, steps=100_000):
  flags = runs.flags("tokenizer", workdir, data, steps, None)
  return launch(RANKS, [*flags, f"--config.train.hang_timeout={LIMIT}"])


def environment():
  """Of ranks that compile quickly and are never looked at for speed."""
  # The launcher names a rank that died and ends the others after GRACE: here
  # they have the time to name it too.
  more = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "GRACE": "90"}
  return variables(1) | more


def check(job, errors, doing):
  """The line of each other rank, and the launcher's."""
  print(errors)  # all of it where this fails
  assert job.returncode not in (0, 75), errors
  others = set(range(RANKS)) - {GUILTY}
  said = f"scenetok train: error: process {GUILTY} on {socket.gethostname()} "
  for rank in others:
    (found,) = (
      text for text in errors.splitlines() if text.startswith(f"[{rank}] scene")
    )
    assert said in found and doing in found, found
    assert f"[{rank}] Current thread " in errors
  names = [text for text in errors.splitlines() if "launch/local.sh:" in text]
  assert len(names) == 1 and f"process {GUILTY} of {RANKS} " in names[0], names


@pytest.mark.slow
@pytest.mark.faults("a rank stopped or killed in a collective: named by all")
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_rank_without_a_sign_of_life_is_named(tmp_path, data, number):
  workdir = tmp_path / "run"
  job = subprocess.Popen(
    line(workdir, data), cwd=runs.ROOT, env=environment(),
    stderr=subprocess.PIPE, text=True,
  )  # fmt: skip
  try:
    runs.wait_for(lambda: runs.logged_steps(workdir) >= 5, job)
    os.kill(child_of(job.pid, GUILTY), number)
    begun = time.monotonic()
    _, errors = job.communicate(timeout=runs.SECONDS)
  finally:
    job.terminate()
  stopped = number == signal.SIGSTOP
  assert job.returncode == (WAITED if stopped else 128 + signal.SIGKILL), errors
  check(job, errors, "gives no sign of life in ")
  assert time.monotonic() - begun < 4 * LIMIT + 90


@pytest.mark.slow
@pytest.mark.faults("a rank hangs in restore, data or save: named by all")
@pytest.mark.parametrize(
  ("where", "after", "doing"),
  [
    (RESTORE, 0, "hangs in the restore of checkpoint "),
    (DATA, 60, "hangs in the data of step "),
    (SAVE, 1, "hangs in the save of step "),
  ],
  ids=["restore", "data", "save"],
)
def test_a_rank_that_hangs_is_named(tmp_path, data, where, after, doing):
  workdir, hook = tmp_path / "run", tmp_path / "hook"
  hook.mkdir()
  (hook / "sitecustomize.py").write_text(_HANGS)
  steps = 100_000
  if where == RESTORE:
    steps = 2
    first = runs.command("tokenizer", workdir, data, 2, None)
    subprocess.run(first, cwd=runs.ROOT, env=runs.environment(), check=True)
  env = environment() | {"HANG_IN": where, "HANG_AFTER": str(after)}
  env["PYTHONPATH"] = os.pathsep.join([str(hook), env["PYTHONPATH"]])
  job = subprocess.run(
    line(workdir, data, steps), cwd=runs.ROOT, env=env, stderr=subprocess.PIPE,
    text=True, timeout=runs.SECONDS,
  )  # fmt: skip
  check(job, job.stderr, doing)
