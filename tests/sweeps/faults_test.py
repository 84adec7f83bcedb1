"""Every verb on disks and streams that refuse: status 2, one line, no loss."""

import dataclasses
import fnmatch
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scenetok_jax.outputs import LIST_FILE
from tests.sweeps import disks
from tests.sweeps.disks import Usage
from tests.sweeps.verbs import VERBS, Verb, results, tree

Asked = Callable[[], Usage]


@dataclasses.dataclass(frozen=True)
class Fault:
  """cause: of a disk, from what the whole result takes there.

  earlier: with the result of an earlier run in the way, where a verb replaces
  it. only: nothing is to be seen without one. passes: then the same command
  must end as if nothing had been.
  """

  cause: Callable[[Path, Asked], None] = lambda disk, whole: None
  out: str = "out"
  stdout: str = ""
  earlier: bool = False
  only: bool = False
  passes: bool = False


def _limited(of: str, share: float) -> Callable[[Path, Asked], None]:
  """Pages or inodes: free is only a share of what a whole result takes."""

  def cause(disk: Path, whole: Asked) -> None:
    free = int(getattr(whole(), of) * share) if share else 0
    disks.limit(disk, **{of: free})

  return cause


def _file(disk: Path, whole: Asked) -> None:
  (disk / "file").write_text("the user's")


FAULTS = {
  "full": Fault(_limited("pages", 0)),
  "half-full": Fault(_limited("pages", 0.5), passes=True),
  "half-full-again": Fault(_limited("pages", 0.5), earlier=True, only=True),
  "no-inodes": Fault(_limited("inodes", 0)),
  "few-inodes": Fault(_limited("inodes", 0.5)),
  "few-inodes-again": Fault(_limited("inodes", 0.5), earlier=True, only=True),
  "read-only": Fault(
    lambda disk, whole: disks.limit(disk, read_only=True), earlier=True
  ),
  "a-file": Fault(_file, out="file"),
  "below-a-file": Fault(_file, out="file/out"),
  "unread": Fault(stdout="unread"),
  "stdout-full": Fault(stdout="full"),
}
# Of every fault one that costs nothing; the others take minutes.
_FAST = (
  "goodput-full", "compact-no-inodes", "make-index-read-only", "stage-a-file",
  "prepare-below-a-file", "tables-unread", "goodput-stdout-full",
)  # fmt: skip
CASES = [
  pytest.param(
    name, title, id=f"{name}-{title}",
    marks=() if f"{name}-{title}" in _FAST else pytest.mark.slow,
  )
  for name, verb in VERBS.items()
  for title, fault in FAULTS.items()
  if verb.again or not fault.only
]  # fmt: skip


@pytest.mark.parametrize(("name", "title"), CASES)
def test_a_fault_costs_nothing_and_is_one_line(
  name, title, sweep, cell, tmp_path
):
  verb, fault = VERBS[name], FAULTS[title]
  with disks.mounted(tmp_path / "disk") as disk:
    (disk / "notes.txt").write_text("the user's")
    if fault.earlier and verb.again:
      sweep.place(verb, disk)
    fault.cause(disk, lambda: sweep.whole(verb).usage)
    before = tree(disk)
    more = verb.again if fault.earlier else ""
    words = verb.words(sweep.inputs, disk / fault.out, more)
    if fault.out == "file" and verb.suffix:  # of a file: a folder is in the way
      (disk / f"file{verb.suffix}").mkdir()
      before = tree(disk)
    ended = sweep.run(words, disk, stdout=fault.stdout)
    after = tree(disk)
    again = ", then 0" if fault.passes else ""
    cell("faults", name, title, f"{ended.status}{again}")
    if fault.passes:
      disks.limit(disk)
      assert sweep.run(words, disk).status == 0
      (disk / "notes.txt").unlink()
      assert results(verb, disk) == sweep.whole(verb).found
  if fault.stdout == "unread":
    assert ended.status == 141 and "rror" not in ended.errors, ended.errors
    return
  assert ended.status == 2, ended
  *progress, line = ended.errors.splitlines()
  known = re.compile(r"[\w/.-]+: +[0-9]+%|wrote ")
  assert all(known.match(x) for x in progress), progress
  assert re.fullmatch(r"scenetok[^:]*: error: .*; .*", line), line
  if fault.stdout:
    assert "standard output: cannot be written (No space left" in line
    return
  assert str(disk) in line and line.count("annot be written") <= 1
  left = after.keys() - before.keys() - {"out", f"out/{LIST_FILE}"}
  assert not [n for n in left if not _stays(verb, n)], left
  assert {name: after.get(name) for name in before} == before


def _stays(verb: Verb, name: str) -> bool:
  return any(fnmatch.fnmatchcase(name, pattern) for pattern in verb.stays)
