"""The commands that README and docs show, as a shell understands them."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
  ROOT / "README.md",
  ROOT / "CONTRIBUTING.md",
  *sorted((ROOT / "docs").rglob("*.md")),
]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
_INLINE = re.compile(r"`scenetok\s([^`]*)`")
# Loops and variables are the shell's business; nothing but scenetok is run.
_SHELL = r"""
PATH=
command_not_found_handle() { :; }
scenetok() { printf '%s\0' "$@"; printf '\1'; }
"""


def commands(page: Path, folder: Path) -> list[tuple[str, ...]]:
  """(verb, argument, ...) of every command in a page's blocks.

  folder: an empty one, where redirections may write.
  """
  script = "\n".join([_SHELL, *_BLOCK.findall(page.read_text())])
  done = subprocess.run(
    ["/bin/bash", "-c", script.replace(".venv/bin/scenetok", "scenetok")],
    cwd=folder, capture_output=True, text=True,
  )  # fmt: skip
  found = done.stdout.split("\1")[:-1]
  return [tuple(command.strip("\0").split("\0")) for command in found]


def mentions(page: Path) -> list[tuple[str, list[str]]]:
  """(verb, flags) of every `scenetok VERB ... --flag` in a page's prose."""
  text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
  found = [" ".join(line.split()).split(" ") for line in _INLINE.findall(text)]
  flags = re.compile(r"^\[?(--[a-z][a-z-]*)(?![\w.-])")
  return [
    (verb, [m[1] for m in map(flags.match, rest) if m]) for verb, *rest in found
  ]


def make_targets(page: Path) -> set[str]:
  """Targets of every `make TARGET` of a page."""
  return set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.M))


def scripts(page: Path) -> set[str]:
  """Files of every `python -m NAME` and `python FOLDER/NAME.py` of a page."""
  text = page.read_text()
  named = re.findall(r"python -m ((?:benchmarks|scenetok_jax)[\w.]*\w)", text)
  files = re.findall(r"python ([a-z_]+/[\w/]+\.py)", text)
  named = [name for name in named if not name.endswith("VERB")]
  named = [name.replace(".", "/") for name in named]
  named = [f"{n}/__main__" if (ROOT / n).is_dir() else n for n in named]
  return {f"{name}.py" for name in named} | set(files)
