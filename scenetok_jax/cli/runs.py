"""Sets runs side by side: loss, held-out scores, speed, and what differs.

The page needs no other file and no network. A run that cannot be read is told
in one line; the others are shown.
"""

import sys
from pathlib import Path

from scenetok_jax import console
from scenetok_jax.disk import check_file
from scenetok_jax.io import write_text
from scenetok_jax.train.runs import differences, finals, read_runs
from scenetok_jax.train.runs_page import page


def main(argv: console.Argv = None) -> None:
  """Prints final values; writes --out, an HTML page."""
  parser = console.parser("runs", __doc__, json=True)
  parser.urls = ("workdirs",)
  add = parser.add_argument
  add("workdirs", nargs="+", metavar="WORKDIR", help="of runs; also gs://")
  add("--out", required=True, metavar="FILE.html", help="page to write")
  args = parser.parse_args(argv)
  check_file(Path(args.out), "--out")
  runs, problems = read_runs(args.workdirs)
  print(*problems, sep="\n", end="\n" * bool(problems), file=sys.stderr)
  write_text(args.out, page(runs, problems))
  values = {run.name: finals(run) for run in runs}
  for run in runs:
    told = [f"{name} {value:.5g}" for name, value in values[run.name].items()]
    print(f"{run.name}: step {run.step}", *told, sep="  ")
  found = {"runs": values, "differences": differences(runs)}
  console.write_json(args, found | {"problems": problems})


if __name__ == "__main__":
  console.script(main)
