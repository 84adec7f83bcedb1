"""Commands in forks of one process that has imported them all.

A fork is a process like any other: it has its own threads, streams and end, and
can be killed; only the seconds of its imports are saved.
"""

import atexit
import contextlib
import dataclasses
import faulthandler
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# Audited by Python: what changes names or opens files to write.
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")


@dataclasses.dataclass(frozen=True)
class Ended:
  """How a command ended.

  status: as a shell tells it, negative: the signal. changes: of files below its
  work folder; None where it was killed.
  """

  status: int
  printed: str
  errors: str
  seconds: float
  changes: int | None


class Forks:
  """The process, from its start to close()."""

  def __init__(self, folder: Path) -> None:
    """folder: of the streams of the commands."""
    self._folder = folder
    environment = {"JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": str(ROOT)}
    self._process = subprocess.Popen(
      [sys.executable, "-m", "tests.sweeps.forks"], cwd=ROOT,
      env=os.environ | environment, stdin=subprocess.PIPE,
      stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    assert self._reply(600) == "ready"

  def close(self) -> None:
    assert self._process.stdin
    self._process.stdin.close()
    self._process.wait(60)

  def run(
    self,
    words: Sequence[str],
    work: Path,
    *,
    stdout: str = "",
    kill_change: int = 0,
    kill_seconds: float = 0.0,
    limit: float = 600.0,
  ) -> Ended:
    """`scenetok WORDS`, in the folder of the repository.

    work: below which changes are counted. stdout: "full", "unread", or kept.
    kill_change: before this change; kill_seconds: after so long. 0: not at all.
    AssertionError where it has not ended after `limit` seconds.
    """
    asked = {
      "words": list(words), "work": str(work), "folder": str(self._folder),
      "stdout": stdout, "kill_change": kill_change,
    }  # fmt: skip
    for name in ("out", "err", "changes"):
      (self._folder / name).write_text("")
    assert self._process.stdin
    start = time.monotonic()
    self._process.stdin.write(json.dumps(asked) + "\n")
    pid = int(self._reply(60))
    # It may have ended before.
    if kill_seconds and not self._told(kill_seconds):
      with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    try:
      status = int(self._reply(limit))
    except TimeoutError:
      os.kill(pid, signal.SIGABRT)
      self._reply(60)
      stacks = (self._folder / "err").read_text(errors="replace")
      raise AssertionError(f"hangs: {' '.join(words)}\n{stacks}") from None
    told = {
      name: (self._folder / name).read_text(errors="replace")
      for name in ("out", "err", "changes")
    }
    seconds = time.monotonic() - start
    changes = int(told["changes"]) if told["changes"] else None
    return Ended(status, told["out"], told["err"], seconds, changes)

  def _told(self, limit: float) -> bool:
    """Whether there is a reply, after so many seconds at most."""
    assert self._process.stdout
    return bool(select.select([self._process.stdout], [], [], limit)[0])

  def _reply(self, limit: float) -> str:
    if not self._told(limit):
      raise TimeoutError
    assert self._process.stdout
    return self._process.stdout.readline().strip()


def _serve() -> dict[str, Any]:
  """Forks for every line of stdin; returns what was asked, in the fork."""
  for line in iter(sys.stdin.readline, ""):
    asked = json.loads(line)
    pid = os.fork()
    if not pid:
      return asked
    print(pid, flush=True)
    _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
  sys.exit()


def _redirect(asked: dict[str, Any]) -> None:
  """Gives the fork streams of its own."""
  names = {0: os.devnull, 1: f"{asked['folder']}/out"}
  names[2] = f"{asked['folder']}/err"
  if asked["stdout"] == "full":
    names[1] = "/dev/full"
  for number, name in names.items():
    handle = os.open(name, os.O_RDWR if number == 0 else os.O_WRONLY)
    os.dup2(handle, number)
    os.close(handle)
  if asked["stdout"] == "unread":
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.close(writer)
    os.close(reader)


def _watch(asked: dict[str, Any]) -> None:
  """Counts changes below the work folder; kills the fork at one of them."""
  count, work, last = 0, asked["work"], asked["kill_change"]

  def changed(event: str, given: tuple[Any, ...]) -> bool:
    if event == "open":
      path, _, flags = given
      wanted = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
      return bool(wanted) and str(path).startswith(work)
    if event not in _CHANGES:
      return False
    paths = [os.fspath(x) for x in given if isinstance(x, str | os.PathLike)]
    # shutil.rmtree gives names in a folder that it has opened.
    return any(str(p).startswith(work) or "/" not in str(p) for p in paths)

  def hook(event: str, given: tuple[Any, ...]) -> None:
    nonlocal count
    if changed(event, given):
      count += 1
      if count == last:
        os.kill(os.getpid(), signal.SIGKILL)

  def tell() -> None:
    nonlocal work
    work = "/"  # not this file
    found = count
    Path(asked["folder"], "changes").write_text(str(found))

  sys.addaudithook(hook)
  atexit.register(tell)


if __name__ == "__main__":
  import jax  # noqa: F401

  from scenetok_jax.cli import main

  for verb in main.VERBS:
    main.module(verb)
  print("ready", flush=True)
  asked = _serve()
  _redirect(asked)
  faulthandler.enable()  # where it hangs, which SIGABRT asks
  _watch(asked)
  sys.exit(main.main(asked["words"]))
