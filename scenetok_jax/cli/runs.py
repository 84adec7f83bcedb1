"""Sets runs side by side: loss, held-out scores, speed, and what differs.

The page needs no other file and no network. A run that cannot be read is told
in one line; the others are shown.
"""

from pathlib import Path

from scenetok_jax import console
from scenetok_jax.disk import check_file
from scenetok_jax.io import write_text
from scenetok_jax.reading.shown import inline, remark, say
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
  for problem in problems:
    remark(problem)
  write_text(args.out, page(runs, problems))
  values = {run.name: finals(run) for run in runs}
  for run in runs:
    scores = values[run.name].items()
    told = [f"{inline(name)} {value:.5g}" for name, value in scores]
    say("  ".join([f"{inline(run.name)}: step {run.step}", *told]))
  found = {"runs": values, "differences": differences(runs)}
  console.write_json(args, found | {"problems": problems})


if __name__ == "__main__":
  console.script(main)
