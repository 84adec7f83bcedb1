"""Time of a rendering step against the matmul peak and a naive loop.

  python -m benchmarks.render [--size full] [--guidance 3] [--json FILE]

Two yardsticks measured in the same run: the matrix-multiplication FLOPs of a
step at the speed of a large matmul, and a loop that calls one jitted step
after the other and computes what the scene tokens decide every time. Random
weights and noise; nothing is read from disk.

A machine's speed drifts, so slices of a few steps are timed in turn, ours and
the naive loop's, each between two measurements of the peak; every figure is a
median over --repeats turns. What we compute once per scene is timed as well
and counts with 1 / --steps of its time and of its arithmetic.
"""

import argparse
import collections
import dataclasses
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.yardstick import executed_flops
from scenetok_jax import console
from scenetok_jax.flow.path import euler_step
from scenetok_jax.flow.solvers import SolverState, get_solver, guide
from scenetok_jax.flow.timesteps import model_timestep
from scenetok_jax.io import write_json
from scenetok_jax.model import Model, build, identity_cameras
from scenetok_jax.nn.attention import KVCache
from scenetok_jax.sampling.options import RenderOptions
from scenetok_jax.sampling.render import render_schedule
from scenetok_jax.sampling.slices import pad_rows
from scenetok_jax.sampling.video import VideoProgram
from scenetok_jax.sampling.window import window_step, window_steps
from scenetok_jax.train.flops import matmul_flops_per_second
from scenetok_jax.types import Array, Cameras, InputError
from scenetok_jax.workdir.config import load_config

CONFIG = "configs/scenetok_re10k.py:embedded"


def main(argv: Sequence[str] | None = None) -> int:
  """Prints and writes step_share, ratio_to_naive and predicted_ratio."""
  args = _parser().parse_args(argv)
  if min(args.steps, args.slice, args.repeats) < 1 or args.guidance < 1:
    raise InputError(
      "--steps, --slice, --repeats, --guidance: must be at least 1"
    )
  if args.slice > args.steps:
    raise InputError(f"--slice: {args.slice} exceeds --steps={args.steps}")
  model = make_system(args)
  job = make_job(model, args.guidance, args.steps, args.slice)
  result = measure(job, args.repeats, args.dtype)
  excess = result["ratio_to_naive"] / result["predicted_ratio"] - 1
  print(
    f"{args.size}, guidance {args.guidance:g}, {args.dtype}, on"
    f" {jax.devices()[0].device_kind}\n"
    f"matmul peak       {result['peak_flops'] / 1e9:10.1f} GFLOP/s\n"
    f"a step            {result['step_flops'] / 1e9:10.2f} GFLOP in"
    f" {result['step_seconds']:.4f} s: {result['step_share']:.1%} of the peak\n"
    f"a naive step      {result['naive_flops'] / 1e9:10.2f} GFLOP in"
    f" {result['naive_seconds']:.4f} s: {result['naive_share']:.1%}\n"
    f"once per scene    {result['scene_flops'] / 1e9:10.2f} GFLOP in"
    f" {result['scene_seconds']:.4f} s\n"
    f"ratio to naive    {result['ratio_to_naive']:10.4f}, saved arithmetic"
    f" predicts {result['predicted_ratio']:.4f} ({excess:+.1%})\n"
    f"reuse saves       {1 - result['ratio_to_naive']:10.1%} of a step's time"
    f" and {1 - result['predicted_ratio']:.1%} of its arithmetic\n"
    f"largest difference {result['largest_difference']:.1e} after"
    f" {args.slice} steps"
  )
  if args.json:
    write_json(args.json, result)
  return 0


@dataclasses.dataclass(frozen=True)
class Job:
  """One window to denoise, both ways.

  ours, naive: () -> latents, after `slice` of `steps` steps. scene: () -> what
  is computed once per scene. *_flops: matrix-multiplication FLOPs of one step
  and of `scene`.
  """

  ours: Callable[[], Array]
  naive: Callable[[], Array]
  scene: Callable[[], Any]
  slice: int
  steps: int
  step_flops: int
  naive_flops: int
  scene_flops: int


SIZES: dict[str, dict[str, int]] = {
  "full": {},
  "medium": {"width": 512, "depth": 8, "heads": 8},
  "tiny": {"width": 64, "depth": 2, "heads": 2},
}


def make_system(args: argparse.Namespace) -> Model:
  """The published renderer, or the same with fewer and narrower blocks."""
  fields = SIZES[args.size]
  overrides = [f"--config.decoder.{k}={v}" for k, v in fields.items()]
  overrides += [f"--config.dtype={args.dtype}"]
  overrides += ["--config.decoder.null_token=True"]
  return build(load_config(CONFIG, overrides))


def make_job(model: Model, guidance: float, steps: int, count: int) -> Job:
  """One window of the published length, from the same noise both ways."""
  decoder, codec = model.decoder, model.target_codec
  options = RenderOptions(steps=steps, guidance=guidance)
  plan = render_schedule(options, options.window)
  shape = (1, options.window, *model.latent_shape(codec))
  draw = np.random.default_rng(0).standard_normal
  noise = jnp.asarray(draw(shape, np.float32))
  cameras = identity_cameras(1, codec.frames(options.window))
  tokenizer = model.tokenizer
  tokens = jnp.asarray(
    draw((1, tokenizer.num_tokens, tokenizer.token_channels), np.float32)
  )
  params = {"decoder": random_params(decoder, noise, cameras, tokens)}
  program = VideoProgram(model, options)
  table = pad_rows(window_steps(model, plan, "euler"))

  @jax.jit
  def naive_step(
    params: Any,
    x: Array,
    t: Array,
    t_next: Array,
    cameras: Cameras,
    tokens: Array,
  ) -> Array:
    def velocity(unconditional: bool) -> Array:
      return decoder.apply(
        {"params": params["decoder"]},
        x,
        model_timestep(t),
        cameras,
        tokens,
        unconditional,
      )

    flow = velocity(False)
    if guidance > 1:
      flow = guide(flow, velocity(True), guidance)
    return euler_step(x, flow, t, t_next)

  levels = [jnp.full(shape[:2], row[0]) for row in plan.levels[: count + 1]]
  naive_step = naive_step.lower(
    params, noise, levels[0], levels[1], cameras, tokens
  ).compile()

  def naive() -> Array:
    x = noise
    for t, t_next in itertools.pairwise(levels):
      x = naive_step(params, x, t, t_next, cameras, tokens)
    return x

  def scene() -> tuple[KVCache, Array]:
    return program.cache(params, tokens), program.embed(params, cameras)

  cache, path = scene()
  scale, start = jnp.float32(guidance), get_solver("euler").start(noise)

  def ours() -> Array:
    return program.run(
      params, cache, path, table, scale, start, 0, count, size=plan.size
    ).x

  @jax.jit
  def step(
    params: Any, cache: KVCache, path: Array, video: SolverState
  ) -> SolverState:
    row = jax.tree.map(lambda rows: rows[0], table)
    traced: Any = dataclasses.replace(options, guidance=scale)
    return window_step(model, params, cache, path, plan.size, traced)(
      video, row
    )

  return Job(
    ours,
    naive,
    scene,
    count,
    steps,
    step_flops=executed_flops(step.lower(params, cache, path, start).compile()),
    naive_flops=executed_flops(naive_step),
    scene_flops=sum(
      executed_flops(part.lower(params, value).compile())
      for part, value in ((program.cache, tokens), (program.embed, cameras))
    ),
  )


def random_params(decoder: Any, *inputs: Any) -> Any:
  """Weights of the right shapes; one draw repeated, which is enough here."""
  latents, cameras, tokens = inputs
  shapes = jax.eval_shape(
    lambda: decoder.init(
      jax.random.key(0), latents, jnp.zeros(latents.shape[:2]), cameras, tokens
    )
  )["params"]
  values = np.random.default_rng(1).standard_normal(1 << 16, np.float32)

  def fill(leaf: Any) -> Array:
    return jnp.asarray(0.02 * np.resize(values, leaf.shape))

  return jax.tree.map(fill, shapes)


def measure(job: Job, repeats: int, dtype: str) -> dict[str, float]:
  """Medians over interleaved repeats, so that all see the same machine."""
  error = float(jnp.max(jnp.abs(job.ours() - job.naive())))  # compiles
  flops = job.step_flops + job.scene_flops / job.steps
  turns: dict[str, list[float]] = collections.defaultdict(list)
  for _ in range(repeats):
    before = _peak(dtype)
    ours = _seconds(job.ours) / job.slice
    between = _peak(dtype)
    naive = _seconds(job.naive) / job.slice
    after = _peak(dtype)
    scene = _seconds(job.scene)
    ours += scene / job.steps
    turn = {
      "step_share": flops / ours / ((before + between) / 2),
      "naive_share": job.naive_flops / naive / ((between + after) / 2),
      "ratio_to_naive": ours / naive,
      "step_seconds": ours,
      "naive_seconds": naive,
      "scene_seconds": scene,
      "peak_flops": (before + between + after) / 3,
    }
    for name, value in turn.items():
      turns[name].append(value)
  return {
    **{name: float(np.median(values)) for name, values in turns.items()},
    "predicted_ratio": flops / job.naive_flops,
    "step_flops": flops,
    "naive_flops": float(job.naive_flops),
    "scene_flops": float(job.scene_flops),
    "steps": job.steps,
    "repeats": repeats,
    "largest_difference": error,
  }


def _peak(dtype: str) -> float:
  matmul_flops_per_second.cache_clear()
  return matmul_flops_per_second(dtype)


def _seconds(function: Callable[[], Any]) -> float:
  start = time.perf_counter()
  jax.block_until_ready(function())
  return time.perf_counter() - start


def _parser() -> console.Parser:
  parser = console.parser("render (benchmark)", (__doc__ or "").split("\n")[0])
  add: Any = parser.add_argument
  add("--size", default="full", choices=sorted(SIZES))
  add("--dtype", default="float32", choices=["float32", "bfloat16"])
  add("--guidance", type=float, default=1.0, help="1 is none")
  add("--steps", type=int, default=25, help="of a whole schedule")
  add("--slice", type=int, default=2, help="steps that are timed together")
  add("--repeats", type=int, default=5, help="turns to take medians of")
  add("--json", metavar="FILE", help="write the numbers here")
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main, verb="render benchmark"))
