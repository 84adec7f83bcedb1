"""Programs that only a cluster has, as scripts that note their calls."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Fakes:
  """A folder of fake programs, first in PATH, and the calls they got.

  The check of a configuration is one of them (real: dry_run_test.py).
  """

  def __init__(self, folder: Path):
    self.folder = folder
    self._programs = folder / "bin"
    self._programs.mkdir()
    self._calls = folder / "calls"
    self._calls.touch()
    self.program("check")

  def program(self, name: str, body: str = "") -> None:
    """A bash script that notes its words, then runs `body`."""
    path = self._programs / name
    path.write_text(
      f'#!/bin/bash\nF={self.folder}\necho "{name} $*" >> $F/calls\n{body}\n'
    )
    path.chmod(0o755)

  def answers(self, name: str, lines: list[str]) -> str:
    """Bash that prints one more of `lines` at each call, the last for ever."""
    path = self.folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return f"head -n 1 {path}; [[ $(wc -l < {path}) == 1 ]] || sed -i 1d {path}"

  def calls(self, part: str = "") -> list[str]:
    """Calls that hold `part`, in their order."""
    lines = self._calls.read_text().splitlines()
    return [line for line in lines if part in line]

  def run(
    self, script: str, settings: dict[str, str]
  ) -> subprocess.CompletedProcess[str]:
    """A launcher among the fakes."""
    return subprocess.run(
      ["bash", str(ROOT / "launch" / script)],
      env={
        "PATH": f"{self._programs}:{os.environ['PATH']}",
        "HOME": str(self.folder),
        "USER": "somebody",
        "PYTHON": str(self._programs / "check"),
        "PYTHONPATH": str(ROOT),
        **settings,
      },
      cwd=ROOT,
      capture_output=True,
      text=True,
      timeout=120,
    )
