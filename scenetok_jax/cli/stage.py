"""Copies prepared data (or codec weights) of a bucket to a local folder.

Training reads file systems. What is there already is not copied again, so the
same command goes on after a kill; the folder appears when it is whole.
"""

from data_pipelines.storage.stage import stage
from scenetok_jax import console, flags
from scenetok_jax.reading.schema import Few
from scenetok_jax.reading.shown import say


def main(argv: console.Argv = None) -> None:
  """Makes the folder --to, file by file."""
  parser = console.parser("stage", __doc__)
  parser.urls = ("data",)
  add = parser.add_argument
  add("--data", required=True, help="folder, gs://BUCKET/NAME or s3://...")
  add("--to", required=True, help="folder to make")
  add(
    "--workers",
    type=flags.ranged(Few),
    default=16,
    help="files at the same time",
  )
  args = parser.parse_args(argv)
  with console.follow("stage", "MB") as progress:
    found = stage(args.data, args.to, args.workers, progress)
  say(f"{args.to}: {found.files} files, {found.size / 1e6:.1f} MB; {found.did}")


if __name__ == "__main__":
  console.script(main)
