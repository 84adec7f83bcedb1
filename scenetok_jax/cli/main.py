"""The console script `scenetok VERB ...`."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from scenetok_jax import __version__, streams
from scenetok_jax.reading.shown import remark, say

# What each verb does; its module has the same name.
VERBS = {
  "prepare": "raw clips, captures or procedural rooms -> training records",
  "stage": "prepared data of a bucket or slow mount -> a local folder",
  "inspect": "pictures, camera path and statistics of a prepared scene",
  "latents": "run a frozen codec over prepared data",
  "data-bench": "speed, bytes and processor time of reading training data",
  "train": "train the tokenizer and renderer, or the scene generator",
  "goodput": "what share of the time of a run trained it, and the rest",
  "runs": "runs -> a page that compares their curves and fields",
  "render": "scene tokens -> frames along a camera path",
  "view": "scenes in a browser, drawn where the camera is moved",
  "generate": "one to three posed images -> a new scene -> frames",
  "encode": "posed images -> a small scene file that renders without them",
  "export": "a rendered scene -> images, cameras, points to train on",
  "quality-speed": "solvers and step counts -> quality, time and their plot",
  "evaluate": "score a trained model by a protocol",
  "make-index": "prepared data -> an evaluation index, seeded",
  "pose-score": "frames -> estimated poses -> how true they are (TPS)",
  "analyze": "the paper's analyses: masking, context views, tokens, ...",
  "tables": "result files -> tables beside the paper's numbers",
  "average": "a run's averages -> one of another width",
  "compact": "a run -> a folder of a few megabytes to share",
  "push": "a run -> a model on the hub, with its card",
  "codec-check": "your images through a codec and back: the ceiling",
  "convert": "the authors' checkpoints -> this package's, and back",
  "check-release": "which released checkpoints are here, what they reproduce",
  "aot": "compile for a device topology without owning it",
  "parity": "run reference cases and print the error per output",
  "quickstart": "rooms, both training stages, pictures and scores",
}


def main(argv: Sequence[str] | None = None) -> int:
  """Dispatches `VERB ARGS...`; returns the exit code."""
  words = list(sys.argv[1:] if argv is None else argv)
  return streams.guarded(lambda: _dispatch(words))


def _dispatch(argv: list[str]) -> int:
  if argv and argv[0] == "--version":
    say(f"scenetok {__version__}")
    return 0
  if argv and argv[0] in ("-h", "--help", "help"):
    say(overview("scenetok VERB", VERBS, 14))
    return 0
  if not argv or argv[0] not in VERBS:
    wrong = f"unknown verb {argv[0]!r}" if argv else "no verb given"
    names = ", ".join(VERBS)
    remark(f"scenetok: error: {wrong}; choose one of {names}")
    return 2
  verb, *rest = argv
  from scenetok_jax import console  # late: keeps --help fast

  return console.run(module(verb).main, rest, verb)


def module(verb: str) -> Any:
  """The verb's, imported late: --help and others are fast."""
  return importlib.import_module(f"scenetok_jax.cli.{verb.replace('-', '_')}")


def overview(command: str, choices: Mapping[str, str], width: int) -> str:
  """What can stand for the last word of a command, with a line about each."""
  lines = [f"  {name:<{width}}{text}" for name, text in choices.items()]
  what = command.split()[-1].lower()
  tail = f"Each {what} explains itself: {command} --help"
  return "\n".join([f"usage: {command} [options]", "", *lines, "", tail])


if __name__ == "__main__":
  sys.exit(main())
