"""Raw posed video -> prepared records."""

import os

from data_pipelines import sources
from data_pipelines.storage import builders
from scenetok_jax import console, flags
from scenetok_jax.reading.schema import Some
from scenetok_jax.reading.shown import say


def main(argv: console.Argv = None) -> None:
  """Writes OUT/<split> and OUT/report.json."""
  kinds = {name: sources.options_type(name) for name in sources.SOURCES}
  parser = console.parser("prepare", __doc__, json=True)
  add = parser.add_argument
  add("--dataset", required=True, choices=sorted(kinds))
  add(
    "--source",
    help="folder of the raw data; not for rooms. photos: or a video. furnished:"
    " of Debian's packages, as .deb files or unpacked (default: where they are"
    " installed)",
  )
  add("--split", default="train", help="name of the part to write")
  add("--out", required=True, help="folder of the prepared data")
  add(
    "--workers",
    type=flags.ranged(Some),
    default=os.cpu_count() or 1,
    help="processes; 0 works in this one",
  )
  add(
    "--beam",
    metavar="OPTIONS",
    help="run on Apache Beam (extra [beam]) with these pipeline options, such"
    " as '--runner=DirectRunner'; for data too large for one machine",
  )
  flags.add_union(parser, kinds)
  args = parser.parse_args(argv)
  options = flags.take_given(args, kinds, args.dataset)
  plan = sources.plan(args.dataset, args.source, args.split, options)
  if args.beam:
    from data_pipelines.storage import builders_beam  # needs the extra [beam]

    report = builders_beam.build(args.out, plan, args.beam.split())
  else:
    report = builders.build(args.out, plan, args.workers)
  say(builders.summary(args.out, args.split, report))
  console.write_json(args, report)


if __name__ == "__main__":
  console.script(main)
