"""Shrinks a run to a folder of a few megabytes that can be shared."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from scenetok_jax import console
from scenetok_jax.convert.compact import PARAMS_FILE, save_compact
from scenetok_jax.types import InputError
from scenetok_jax.workdir.checkpoint import latest_step, restore_params
from scenetok_jax.workdir.stored_config import CONFIG_FILE, load_stored_config


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/params.safetensors and OUT/config.json."""
  parser = console.parser(
    "compact",
    (__doc__ or "")
    + " Matrices become int8 with a scale per row; the folder serves wherever"
    " a --workdir is read. Score both to see what the rounding costs.",
  )
  parser.add_argument("--workdir", required=True, help="a training run")
  parser.add_argument("--out", required=True, help="folder to write")
  args = parser.parse_args(argv)
  workdir, out = Path(args.workdir), Path(args.out)
  config = load_stored_config(workdir)
  if (out / PARAMS_FILE).exists():
    raise InputError(
      f"{out / PARAMS_FILE}: exists; delete it or choose another --out"
    )
  params = restore_params(workdir, item="ema")
  out.mkdir(parents=True, exist_ok=True)
  save_compact(out / PARAMS_FILE, params, latest_step(workdir))
  shutil.copyfile(workdir / CONFIG_FILE, out / CONFIG_FILE)
  size = (out / PARAMS_FILE).stat().st_size / 1e6
  print(f"{out}: {size:.2f} MB, stage {config['stage']}")
  return 0


if __name__ == "__main__":
  sys.exit(console.run(main))
