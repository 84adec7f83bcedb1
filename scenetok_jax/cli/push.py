"""Pushes a model to the Hugging Face hub, where others load it by its name.

What is pushed is a compact folder with hashes of its files, and a card that
tells data, steps, scores and how to load it. Folders of this machine are not
named. Log in first: hf auth login, or HF_TOKEN. Another hub: HF_ENDPOINT.
"""

from scenetok_jax import console, flags
from scenetok_jax.reading.shown import say
from scenetok_jax.sharing.push import PushOptions, push


def main(argv: console.Argv = None) -> None:
  """Makes one commit; prints how to load it."""
  parser = console.parser("push", __doc__, PushOptions, json=True)
  parser.urls = ("workdir", "repo")
  parser.add_argument("--workdir", required=True, help="a run of stage 1 or 2")
  args = parser.parse_args(argv)
  options = flags.take_options(args, PushOptions)
  done = push(args.workdir, options)
  if options.dry_run:
    say(done.card)
  for file, size in done.files.items():
    say(f"  {size / 1e6:10.3f} MB  {file}")
  did = f"commit {done.commit}" if done.commit else "nothing was pushed"
  say(f"{done.name}: {did}")
  console.write_json(
    args, {"name": done.name, "files": done.files, "commit": done.commit}
  )


if __name__ == "__main__":
  console.script(main)
