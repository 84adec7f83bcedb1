"""Shrinks a run to a folder of a few megabytes that can be shared.

Matrices become int8 with a scale per row; the folder serves wherever a
--workdir is read. Score both to see what the rounding costs.
"""

from scenetok_jax import console
from scenetok_jax.convert.compact import PARAMS_FILE
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.reading.shown import say


def main(argv: console.Argv = None) -> None:
  """Writes OUT/params.safetensors and OUT/config.json."""
  parser = console.parser("compact", __doc__)
  parser.add_argument("--workdir", required=True, help="a training run")
  parser.add_argument("--out", required=True, help="folder to write")
  args = parser.parse_args(argv)
  model = SceneTok.from_pretrained(args.workdir)
  folder = model.save_pretrained(args.out)
  size = (folder / PARAMS_FILE).stat().st_size / 1e6
  say(f"{folder}: {size:.2f} MB, stage {model.config.stage}")


if __name__ == "__main__":
  console.script(main)
