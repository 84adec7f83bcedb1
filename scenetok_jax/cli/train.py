"""Trains stage 1 (tokenizer and renderer) or stage 2 (SceneGen)."""

import os
import sys
import threading
from collections.abc import Sequence

from data_pipelines.watchdog import StuckWorkerError
from scenetok_jax.cli import assemble, common
from scenetok_jax.cli.config import load_config
from scenetok_jax.parallel.runtime import initialize
from scenetok_jax.sampling.system import build
from scenetok_jax.train.loop import train

_EXIT_SECONDS = 20.0  # to save, report and end after a reader got stuck


def main(argv: Sequence[str] | None = None) -> int:
  """Parses flags and trains; resumes whatever --workdir holds."""
  parser = common.parser("train", __doc__ or "")
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
  config = load_config(args.config, overrides)
  initialize()
  system = build(config)
  try:
    train(
      config,
      args.workdir,
      assemble.make_task(config, system),
      lambda: assemble.open_data(config, system),
      assemble.make_evaluate(config, system),
    )
  except StuckWorkerError:
    # A reader that never returns must not keep this process from ending.
    timer = threading.Timer(_EXIT_SECONDS, os._exit, (2,))
    timer.daemon = True
    timer.start()
    raise
  return 0


if __name__ == "__main__":
  sys.exit(common.run(main))
