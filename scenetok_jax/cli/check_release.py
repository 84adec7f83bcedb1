"""Says which released checkpoints lie in a folder, and what they reproduce.

Names and shapes of tensors are compared with the configurations; no number is
read.
"""

from scenetok_jax import console
from scenetok_jax.parity import released
from scenetok_jax.reading.shown import say


def main(argv: console.Argv = None) -> int:
  """Prints files and tables; returns 1 if a file is not what its name says."""
  parser = console.parser("check-release", __doc__, json=True)
  parser.add_argument("folder", help="folder of the released .ckpt files")
  args = parser.parse_args(argv)
  found = released.check_release(args.folder)
  say(*released.lines(args.folder, found))
  console.write_json(args, found)
  states = (entry["status"] for entry in found["files"].values())
  return int("wrong" in states)


if __name__ == "__main__":
  console.script(main)
