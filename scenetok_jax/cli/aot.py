"""Compiles training or rendering for chips that you need not have."""

from scenetok_jax import console, flags
from scenetok_jax.aot.compilation import AotOptions, compile_for_slice
from scenetok_jax.aot.report import lines
from scenetok_jax.reading.shown import say
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config


def main(argv: console.Argv = None) -> None:
  """Prints memory, FLOPs, collectives and a time estimate per chip."""
  parser = console.parser("aot", __doc__, AotOptions, json=True)
  parser.add_argument(
    "--config", required=True, help="configuration, FILE.py[:variant]"
  )
  parser.epilog = "Any field: --config.FIELD=VALUE (--config.remat=full)."
  args, overrides = parser.parse_known_args(argv)
  config = load_config(args.config, overrides)
  options = flags.take_options(args, AotOptions)
  result = {"config": args.config, **compile_for_slice(config, options)}
  console.write_json(args, result)
  if "nothing_fits" in result:
    raise InputError(result["nothing_fits"])
  say("\n".join(lines(result, options.breakdown)))


if __name__ == "__main__":
  console.script(main)
