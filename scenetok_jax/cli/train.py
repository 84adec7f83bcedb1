"""Trains stage 1 (tokenizer and renderer) or stage 2 (SceneGen)."""

import os
import threading

from data_pipelines.loading.watchdog import StuckWorkerError
from scenetok_jax import console, flags
from scenetok_jax.reading.schema import Many
from scenetok_jax.reading.shown import remark, say
from scenetok_jax.train import experiment
from scenetok_jax.train.dry_run import dry_run
from scenetok_jax.train.preemption import PREEMPTED
from scenetok_jax.workdir.config import load_config

_EXIT_SECONDS = 20.0  # to save, report and end after a reader got stuck


def main(argv: console.Argv = None) -> int:
  """Trains; resumes whatever --workdir holds, or checks it (--dry-run)."""
  parser = console.parser("train", __doc__)
  add = parser.add_argument
  add("--config", required=True, help="configuration file, FILE.py[:variant]")
  resumed = "folder of checkpoints and metrics; an existing one is resumed"
  add("--workdir", required=True, help=resumed)
  add(
    "--dry-run",
    nargs="?",
    const="all",
    choices=("all", "config"),
    help="only check the run: config, mesh, data, weights and workdir (all),"
    " or what needs no file (config)",
  )
  add(
    "--devices",
    type=flags.ranged(Many),
    help="with --dry-run: that the run will have",
  )
  parser.epilog = "Any field: --config.FIELD=VALUE (--config.data.path=DATA)."
  args, overrides = parser.parse_known_args(argv)
  config = load_config(args.config, overrides)
  if args.dry_run:
    read = args.dry_run == "all"
    say(*dry_run(config, args.workdir, args.devices, read=read))
    return 0
  try:
    state = experiment.run(config, args.workdir)
  except StuckWorkerError:
    # A reader that never returns must not keep this process from ending.
    timer = threading.Timer(_EXIT_SECONDS, os._exit, (2,))
    timer.daemon = True
    timer.start()
    raise
  if experiment.is_finished(config, state):
    return 0
  remark(
    f"scenetok train: saved step {int(state.step)} when asked to end; the same"
    " command goes on from there"
  )
  return PREEMPTED


if __name__ == "__main__":
  console.script(main)
