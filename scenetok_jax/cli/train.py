"""Trains stage 1 (tokenizer and renderer) or stage 2 (SceneGen)."""

import os
import sys
import threading
from collections.abc import Sequence

from data_pipelines.loading.watchdog import StuckWorkerError
from scenetok_jax import console
from scenetok_jax.train import experiment
from scenetok_jax.workdir.config import load_config

_EXIT_SECONDS = 20.0  # to save, report and end after a reader got stuck


def main(argv: Sequence[str] | None = None) -> int:
  """Parses flags and trains; resumes whatever --workdir holds."""
  parser = console.parser("train", __doc__ or "")
  parser.add_argument(
    "--config", required=True, help="configuration file, FILE.py[:variant]"
  )
  parser.add_argument(
    "--workdir",
    required=True,
    help="folder of checkpoints and metrics; an existing one is resumed",
  )
  parser.epilog = "Any field: --config.FIELD=VALUE (--config.data.path=DATA)."
  args, overrides = parser.parse_known_args(argv)
  try:
    experiment.run(load_config(args.config, overrides), args.workdir)
  except StuckWorkerError:
    # A reader that never returns must not keep this process from ending.
    timer = threading.Timer(_EXIT_SECONDS, os._exit, (2,))
    timer.daemon = True
    timer.start()
    raise
  return 0


if __name__ == "__main__":
  sys.exit(console.run(main))
