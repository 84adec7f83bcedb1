"""Does the spread of samples rise as scene tokens are removed?"""

import sys
from collections.abc import Sequence
from typing import Any

import jax

from scenetok_jax import console
from scenetok_jax.analyses import study, sweep
from scenetok_jax.analyses.ablation import MASKS, mask_tokens
from scenetok_jax.analyses.sweep import Level
from scenetok_jax.inference import placement, rendering
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.types import InputError

KIND = "masking"


def main(argv: Sequence[str] | None = None) -> int:
  """Writes OUT/masking.json, masking.png and sheets of variance maps."""
  args = _parser().parse_args(argv)
  out = study.check_options(args)
  if not all(0 <= percent <= 100 for percent in args.masked):
    raise InputError(f"--masked: {args.masked} must lie between 0 and 100")
  sweep.check_levels("--masked", args.masked)
  scenetok = SceneTok.from_pretrained(args.workdir)
  options = rendering.render_options(scenetok, args)
  with placement.on_devices(scenetok, args.batch * args.samples) as scenetok:
    opened = study.open_scenes(scenetok, args)
    chosen = study.make_study(scenetok, opened, args.frames)
    noise_key, token_key = jax.random.split(jax.random.key(args.seed))
    tokens, references = study.encode_all(chosen, token_key)
    levels = [
      Level(
        percent,
        f"{percent:g} % masked",
        mask_tokens(tokens, percent / 100, args.seed, args.mask),
        references,
      )
      for percent in args.masked
    ]
    renderer = study.make_renderer(scenetok, options, args, noise_key)
    found = sweep.run_levels(chosen, renderer, levels)
  claim = "variance rises as tokens are masked"
  label = f"tokens masked ({args.mask}), %"
  sweep.report(found, chosen, claim, 1, label, KIND, args, out)
  return 0


def _parser() -> console.Parser:
  parser = console.parser(f"analyze {KIND}", __doc__ or "")
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  add(
    "--masked",
    type=float,
    nargs="+",
    default=[0, 20, 40, 60, 80, 100],
    metavar="PERCENT",
    help="shares of the tokens to remove",
  )
  add("--mask", choices=MASKS, default="drop", help="remove or set to zero")
  add("--sheets", type=int, default=2, help="scenes with a sheet of maps")
  study.add_options(add, samples=4)
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
