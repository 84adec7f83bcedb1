"""Scores a trained model by a protocol, on frames that it was not given.

Protocol heldout: frames held out when preparing, or else all frames but context
views at least 30 degrees of heading apart. The others score the frames of an
index file.
"""

from pathlib import Path

from scenetok_jax import console, flags
from scenetok_jax.disk import check_writable
from scenetok_jax.evaluation import report
from scenetok_jax.evaluation.request import EvaluationRequest
from scenetok_jax.evaluation.run import evaluate
from scenetok_jax.inference.placement import open_model
from scenetok_jax.parallel.join import initialize
from scenetok_jax.parallel.runtime import is_lead
from scenetok_jax.reading.shown import say


def main(argv: console.Argv = None) -> None:
  """Prints a table of scores; writes --json, pictures and scenes' results."""
  parser = console.parser("evaluate", __doc__, EvaluationRequest, json=True)
  add = parser.add_argument
  add(
    "--workdir",
    required=True,
    help="a run, checkpoints/rooms or hf://OWNER/NAME",
  )
  args = parser.parse_args(argv)
  request = flags.take_options(args, EvaluationRequest)
  if args.out:
    check_writable(Path(args.out))
  initialize()
  found = evaluate(open_model(args.workdir, args.out), request)
  if is_lead():
    say(report.table(found))
    if args.json:
      report.write(args.json, found)


if __name__ == "__main__":
  console.script(main)
