"""What a new user does first, from a fresh clone, timed step by step.

  python -m benchmarks.new_user --photos=FOLDER_OR_VIDEO --docs=docs/index.md

The commit of this checkout is cloned. In the clone, one after the other: `make
quickstart`, which installs; the extras of viewer and photos; `scenetok view` of
the quickstart's rooms, until a browser has drawn the first view at rest;
`scenetok prepare --dataset=photos`; an orbit around the result. Packages come
from where pip finds them, so that the first minutes depend on the network. It
needs Chromium, or CHROMIUM=PROGRAM, and the extra [viewer] here.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import marks, pages
from scenetok_jax import console
from scenetok_jax.io import write_json

ROOT = Path(__file__).parents[1]


def main(argv: Sequence[str] | None = None) -> None:
  parser = console.parser("benchmarks/new_user.py", __doc__)
  parser.add_argument("--photos", required=True, metavar="FOLDER_OR_VIDEO")
  parser.add_argument("--json", metavar="FILE")
  parser.add_argument("--docs", type=Path, help="file whose table is replaced")
  args = parser.parse_args(argv)
  with tempfile.TemporaryDirectory() as folder:
    clone = Path(folder) / "scenetok_jax"
    rows = {
      title: timed(step, title)
      for title, step in steps(clone, Path(args.photos).resolve()).items()
    }
  text = table(rows)
  print(text)
  if args.json:
    write_json(args.json, rows)
  if args.docs:
    marks.replace(args.docs, "NEW USER", text)


def steps(clone: Path, photos: Path) -> dict[str, Callable[[], None]]:
  """What is done, by the command that does it, in this order."""
  meant = {
    "scenetok": ".venv/bin/scenetok",
    "pip": ".venv/bin/pip",
    "PHOTOS": str(photos),
  }

  def command(line: str) -> tuple[str, Callable[[], None]]:
    words = [meant.get(word, word) for word in line.split()]
    return f"`{line}`", lambda: run(words, clone)

  source = ["git", "clone", "--quiet", str(ROOT), str(clone)]
  view = "scenetok view --workdir=checkpoints/rooms --data=report/work/rooms"
  return dict(
    [
      ("`git clone`", lambda: run(source, ROOT)),
      command("make quickstart"),
      command("pip install -q -e .[viewer,colmap]"),
      (f"`{view}`, first view", lambda: look(clone, view.split()[2:])),
      command(
        "scenetok prepare --dataset=photos --source PHOTOS --out=data/mine"
      ),
      command(
        "scenetok render --workdir=checkpoints/rooms --data=data/mine"
        " --split=train --scene=0 --trajectory=orbit --out=orbit"
      ),
    ]
  )


def run(words: list[str], folder: Path) -> None:
  subprocess.run(words, cwd=folder, check=True, stdout=sys.stderr)


def look(clone: Path, flags: list[str]) -> None:
  """Opens the clone's viewer and waits until the page shows a view."""
  python = str(clone / ".venv/bin/python")
  with (
    pages.served(*flags, python=python, folder=clone) as viewer,
    pages.browser() as browser,
  ):
    browser.open(viewer.url).says("15 steps")


def timed(step: Callable[[], None], title: str) -> float:
  """Seconds of a step."""
  print(title, file=sys.stderr, flush=True)
  start = time.monotonic()
  step()
  return time.monotonic() - start


def table(rows: dict[str, float]) -> str:
  """Minutes and seconds of each step and of all, in Markdown."""
  total = {"in all": sum(rows.values())}
  lines = [
    f"| {title} | {int(seconds // 60)} min {int(seconds % 60):02d} s |"
    for title, seconds in (rows | total).items()
  ]
  return "\n".join(["| what | time |", "|---|---|", *lines])


if __name__ == "__main__":
  sys.exit(console.run(main, verb="new_user benchmark"))
