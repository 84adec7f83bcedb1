"""launch/local.sh and its ranks end within GRACE, whatever is signalled."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LOCAL = Path(__file__).parents[2] / "launch" / "local.sh"
SAVES = "touch $here/saved$JAX_PROCESS_ID; exit 0"
SECONDS = 60  # for anything to happen on a busy machine


@contextlib.contextmanager
def job(
  folder: Path, on_term: str = SAVES, grace: int = 60, talk: bool = False
) -> Iterator[subprocess.Popen[str]]:
  """The launcher, in a group of its own, with two ranks that wait."""
  worker = folder / "worker"
  worker.write_text(
    "#!/usr/bin/env bash\n"
    f"here={folder}\n"
    f"trap '{on_term}' TERM\n"
    "touch $here/started$JAX_PROCESS_ID\n"
    f"while true; do sleep 0.05; {'echo step' if talk else ':'}; done\n"
  )
  worker.chmod(0o755)
  process = subprocess.Popen(
    ["bash", str(LOCAL), "2", "render"],
    env={
      "PATH": os.environ["PATH"],
      "PYTHON": str(worker),
      "PORT": "1",
      "GRACE": str(grace),
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    start_new_session=True,
  )
  try:
    wait_for(lambda: len(list(folder.glob("started*"))) == 2, process)
    yield process
  finally:
    for pid in ranks(folder):
      with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.communicate()


def wait_for(
  done: Callable[[], bool], process: subprocess.Popen[str] | None = None
) -> None:
  deadline = time.monotonic() + SECONDS
  while not done():
    assert process is None or process.poll() is None
    assert time.monotonic() < deadline
    time.sleep(0.05)


def ranks(folder: Path) -> list[int]:
  """Process ids of the ranks that are alive, oldest first."""
  found = subprocess.run(
    ["pgrep", "-f", f"bash {folder}/worker"], capture_output=True, text=True
  )
  return sorted(map(int, found.stdout.split()))


def saved(folder: Path) -> list[str]:
  return sorted(path.name for path in folder.glob("saved*"))


@pytest.mark.parametrize("whom", ["launcher", "group"])
@pytest.mark.parametrize("number", ["TERM", "INT", "HUP"])
def test_every_rank_saves_whoever_is_signalled(tmp_path, whom, number):
  send = os.kill if whom == "launcher" else os.killpg
  with job(tmp_path) as process:
    send(process.pid, signal.Signals[f"SIG{number}"])
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0 and not errors
    assert saved(tmp_path) == ["saved0", "saved1"] and not ranks(tmp_path)


def test_a_signal_to_process_and_group_at_once_is_one_request(tmp_path):
  slow = "sleep 2; touch $here/saved$JAX_PROCESS_ID; exit 0"
  with job(tmp_path, slow) as process:
    os.kill(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0 and len(saved(tmp_path)) == 2


def test_a_second_interrupt_ends_ranks_that_still_save(tmp_path):
  with job(tmp_path, on_term="true") as process:
    process.send_signal(signal.SIGINT)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGKILL and not ranks(tmp_path)


def test_ranks_that_ignore_sigterm_are_killed_after_the_grace(tmp_path):
  with job(tmp_path, "true", grace=1) as process:
    process.terminate()
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGKILL and not errors
    assert not ranks(tmp_path)


def test_the_death_of_one_rank_stops_the_others_and_is_told(tmp_path):
  with job(tmp_path) as process:
    os.kill(ranks(tmp_path)[1], signal.SIGKILL)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGKILL
    assert "process 1 of 2 ended by signal 9; stopping the others" in errors
    assert saved(tmp_path) == ["saved0"]


def test_the_status_is_that_of_the_rank_that_failed_first(tmp_path):
  fails = "[[ $JAX_PROCESS_ID == 1 ]] && exit 3; sleep 1; exit 75"
  with job(tmp_path, fails) as process:
    os.kill(ranks(tmp_path)[1], signal.SIGTERM)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 3
    assert "process 1 of 2 ended with status 3" in errors


def test_the_rank_that_the_others_waited_for_is_named(tmp_path):
  with job(tmp_path, on_term="exit 69", grace=1) as process:
    os.kill(ranks(tmp_path)[1], signal.SIGSTOP)
    os.kill(ranks(tmp_path)[0], signal.SIGTERM)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 69 and not ranks(tmp_path)
    assert errors.startswith("launch/local.sh: process 1 of 2 hung; the others")
    assert errors.count("launch/local.sh") == 1


def test_a_rank_that_jax_aborts_is_not_blamed_for_one_that_hangs(tmp_path):
  with job(tmp_path, grace=1) as process:
    first, second = ranks(tmp_path)
    os.kill(second, signal.SIGSTOP)
    os.kill(first, signal.SIGABRT)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGABRT
    assert errors.startswith("launch/local.sh: process 1 of 2 hung; the others")
    assert errors.count("launch/local.sh") == 1


def test_a_rank_that_aborts_alone_is_blamed(tmp_path):
  with job(tmp_path) as process:
    os.kill(ranks(tmp_path)[0], signal.SIGABRT)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGABRT
    assert "launch/local.sh: process 0 of 2 ended by signal 6" in errors
    assert saved(tmp_path) == ["saved1"]


def test_ranks_that_waited_for_each_other_are_not_blamed(tmp_path):
  with job(tmp_path, on_term="exit 69") as process:
    for rank in ranks(tmp_path):
      os.kill(rank, signal.SIGTERM)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 69
    assert errors.startswith("launch/local.sh: all processes waited for each")


def test_ranks_outlive_whoever_reads_their_output(tmp_path):
  with job(tmp_path, talk=True) as process:
    process.stdout.close()
    process.stderr.close()
    time.sleep(1.0)
    assert process.poll() is None and len(ranks(tmp_path)) == 2
    process.terminate()
    assert process.wait(SECONDS) == 0 and len(saved(tmp_path)) == 2


def test_ranks_of_a_killed_launcher_save_and_end(tmp_path):
  with job(tmp_path) as process:
    process.kill()
    wait_for(lambda: len(saved(tmp_path)) == 2)
    wait_for(lambda: not ranks(tmp_path))
