"""What all sweeps share: forks, what the verbs read, whole results, tables."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.page_tables import markdown
from tests.sweeps import disks, verbs
from tests.sweeps.disks import Usage
from tests.sweeps.forks import Ended, Forks
from tests.sweeps.verbs import Verb


@dataclasses.dataclass(frozen=True)
class Whole:
  """What a command leaves that nothing disturbs.

  folder: a copy of it. usage: of its disk. found: see verbs.results.
  """

  folder: Path
  usage: Usage
  found: dict[str, Any]
  ended: Ended


class Sweep:
  """Runs commands; knows the whole result of each."""

  def __init__(self, root: Path, forks: Forks) -> None:
    self.inputs = root / "inputs"
    self.run = forks.run
    self._root = root
    self._whole = dict[Verb, Whole]()
    self._count = 0

  def whole(self, verb: Verb) -> Whole:
    """Of a verb, by one run of it."""
    if verb not in self._whole:
      self._whole[verb] = self._measure(verb)
    return self._whole[verb]

  def place(self, verb: Verb, disk: Path) -> None:
    """Copies the result of an earlier run to a disk."""
    shutil.copytree(self.whole(verb).folder, disk, dirs_exist_ok=True)

  def _measure(self, verb: Verb) -> Whole:
    self._count += 1
    folder = self._root / f"whole-{self._count}"
    with disks.mounted(self._root / f"disk-{self._count}") as disk:
      before = disks.usage(disk)
      ended = self.run(verb.words(self.inputs, disk / "out"), disk)
      assert ended.status == 0, ended
      after = disks.usage(disk)
      usage = Usage(*(a - b for a, b in zip(after, before, strict=True)))
      shutil.copytree(disk, folder)
      found = verbs.results(verb, disk)
    return Whole(folder, usage, found, ended)


_cells = dict[str, dict[str, dict[str, str]]]()  # table -> row -> column


@pytest.fixture
def cell(record_property):
  """(table, row, column, text): what a sweep saw, for its table."""
  return lambda *found: record_property("cell", found)


def pytest_runtest_logreport(report):
  for name, found in report.user_properties:
    if name == "cell" and report.when == "call":
      table, row, column, text = found
      rows = _cells.setdefault(table, {})
      rows.setdefault(row, {})[column] = text if report.passed else "FAILED"


def pytest_terminal_summary(terminalreporter):
  """A table of each sweep, in Markdown."""
  for table, rows in _cells.items():
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [[name, *map(row.get, columns)] for name, row in rows.items()]
    lines = [[cell or "" for cell in line] for line in lines]
    terminalreporter.section(table)
    terminalreporter.write_line(markdown([[table, *columns], *lines]))


@pytest.fixture(scope="session")
def sweep(tmp_path_factory):
  root = tmp_path_factory.mktemp("sweeps")
  for name in ("inputs", "streams"):
    (root / name).mkdir()
  verbs.fill(root / "inputs")
  forks = Forks(root / "streams")
  yield Sweep(root, forks)
  forks.close()
