"""The whole job in ten minutes: rooms, both stages, pictures and scores."""

import shlex
import time

from scenetok_jax import console, outputs
from scenetok_jax.cli.main import module
from scenetok_jax.evaluation import quickstart
from scenetok_jax.io import write_json
from scenetok_jax.reading.shown import say


def main(argv: console.Argv = None) -> None:
  """Runs the commands a user would, one after the other, and sums them up."""
  parser = console.parser("quickstart", __doc__)
  parser.add_argument("--out", default="report", help="folder of the results")
  parser.add_argument(
    "--smoke", action="store_true", help="tiny sizes, to see that it runs"
  )
  args = parser.parse_args(argv)
  with outputs.opened(args.out, quickstart.FILES) as out:
    _run(out, args.smoke)


def _run(held: outputs.Output, smoke: bool) -> None:
  start, out = time.monotonic(), held.path
  steps = quickstart.commands(out, smoke)
  for number, (title, command) in enumerate(steps, 1):
    elapsed = int(time.monotonic() - start)
    say(
      f"\n[{number}/{len(steps)}, {elapsed // 60}m{elapsed % 60:02d}s]"
      f" {title}\n$ scenetok {shlex.join(command)}",
      flush=True,
    )
    verb, *options = command
    module(verb).main(options)
  result = quickstart.summary(out, time.monotonic() - start)
  numbers, curve, page = quickstart.FILES
  write_json(held.file(numbers), result)
  scratch = out / quickstart.WORK / "scratch"
  quickstart.learning_curve(scratch, held.file(curve))
  table = quickstart.results_table(result)
  held.publish()  # the page shows the curve
  quickstart.write_page(held.file(page), table, out)
  say(table)
  say(f"\nPictures are in {out}/ (open index.html).")


if __name__ == "__main__":
  console.script(main)
