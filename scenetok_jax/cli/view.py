"""Opens scenes in a browser: a live camera, keyframes, photos."""

import threading
from typing import Any

from scenetok_jax import console, flags
from scenetok_jax.inference.placement import open_model
from scenetok_jax.reading.shown import say
from scenetok_jax.viewer.address import Address
from scenetok_jax.viewer.library import ViewerChoice
from scenetok_jax.viewer.start import check_available, start


def main(argv: console.Argv = None) -> None:
  """Serves the page until it is interrupted."""
  parser = console.parser("view", __doc__, ViewerChoice, Address)
  add: Any = parser.add_argument
  add(
    "--workdir",
    required=True,
    help="a run, checkpoints/rooms or hf://OWNER/NAME",
  )
  args = parser.parse_args(argv)
  check_available()
  choice = flags.take_options(args, ViewerChoice)
  address = flags.take_options(args, Address)
  model = open_model(args.workdir)
  with console.follow("compiling", "program") as progress:
    viewer = start(model, choice, address, progress)
  say(f"{viewer.url}  (Ctrl-C ends it)", flush=True)
  try:
    threading.Event().wait()
  except KeyboardInterrupt:
    pass
  finally:
    viewer.close()


if __name__ == "__main__":
  console.script(main)
