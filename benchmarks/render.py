"""Time of a rendering step against the matmul peak and a naive loop.

  python -m benchmarks.render [--size full] [--guidance 3] [--json FILE]

Two yardsticks measured in the same run: the matrix-multiplication FLOPs of a
step at the speed of a large matmul, and a loop that calls one jitted step
after the other and computes what the scene tokens decide every time. Random
weights and noise; nothing is read from disk.
"""

import argparse
import dataclasses
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scenetok_jax.cli import common
from scenetok_jax.cli.config import load_config
from scenetok_jax.flow.path import euler_step
from scenetok_jax.sampling.render import RenderOptions, render_schedule
from scenetok_jax.sampling.session import pad_rows
from scenetok_jax.sampling.system import System, build, identity_cameras
from scenetok_jax.sampling.velocity import predict_velocity
from scenetok_jax.sampling.video import VideoProgram, video_program
from scenetok_jax.sampling.window import plan_rows, start_video, window_step
from scenetok_jax.train.flops import count_flops
from scenetok_jax.train.peak import measured_matmul_peak
from scenetok_jax.types import Array, Cameras, InputError

CONFIG = "configs/scenetok_re10k.py:embedded"


def main(argv: Sequence[str] | None = None) -> int:
  """Prints and writes step_share, ratio_to_naive and predicted_ratio."""
  args = _parser().parse_args(argv)
  if min(args.steps, args.repeats) < 1 or args.guidance < 1:
    raise InputError("--steps, --repeats, --guidance: must be at least 1")
  system = make_system(args)
  job = make_job(system, args.guidance, args.steps)
  result = measure(job, args.repeats, args.dtype)
  print(
    f"{args.size}, guidance {args.guidance:g}, {args.dtype}, on"
    f" {jax.devices()[0].device_kind}\n"
    f"matmul peak       {result['peak_flops'] / 1e9:10.1f} GFLOP/s\n"
    f"a step            {result['step_flops'] / 1e9:10.2f} GFLOP in"
    f" {result['step_seconds']:.4f} s: {result['step_share']:.1%} of the peak\n"
    f"a naive step      {result['naive_flops'] / 1e9:10.2f} GFLOP in"
    f" {result['naive_seconds']:.4f} s\n"
    f"ratio to naive    {result['ratio_to_naive']:10.4f}, saved arithmetic"
    f" predicts {result['predicted_ratio']:.4f}"
  )
  if args.json:
    common.write_json(args.json, result)
  return 0


@dataclasses.dataclass(frozen=True)
class Job:
  """One window to denoise, both ways.

  ours, naive: () -> latents, after all steps. steps: how many.
  step_flops, naive_flops: matrix-multiplication FLOPs of one step.
  memory_flops: of what is computed once per scene.
  """

  ours: Callable[[], Array]
  naive: Callable[[], Array]
  steps: int
  step_flops: int
  naive_flops: int
  memory_flops: int


SIZES: dict[str, dict[str, int]] = {
  "full": {},
  "medium": {"width": 512, "depth": 8, "heads": 8},
  "tiny": {"width": 64, "depth": 2, "heads": 2},
}


def make_system(args: argparse.Namespace) -> System:
  """The published renderer, or the same with fewer and narrower blocks."""
  fields = SIZES[args.size]
  overrides = [f"--config.decoder.{k}={v}" for k, v in fields.items()]
  overrides += [f"--config.dtype={args.dtype}"]
  overrides += ["--config.decoder.null_token=True"]
  return build(load_config(CONFIG, overrides))


def make_job(system: System, guidance: float, steps: int) -> Job:
  """One window of the published length, from the same noise both ways."""
  decoder, codec = system.decoder, system.target_codec
  options = RenderOptions(steps=steps, guidance=guidance)
  plan = render_schedule(options, options.window)
  shape = (1, options.window, *system.latent_shape(codec))
  draw = np.random.default_rng(0).standard_normal
  noise = jnp.asarray(draw(shape, np.float32))
  cameras = identity_cameras(1, codec.frames(options.window))
  tokenizer = system.tokenizer
  tokens = jnp.asarray(
    draw((1, tokenizer.num_tokens, tokenizer.token_channels), np.float32)
  )
  params = {"decoder": random_params(decoder, noise, cameras, tokens)}
  program = video_program(system, options)
  rows = jax.tree.map(jnp.asarray, pad_rows(plan_rows(system, plan, "euler")))

  @jax.jit
  def naive_step(
    params: Any,
    x: Array,
    t: Array,
    t_next: Array,
    cameras: Cameras,
    tokens: Array,
  ) -> Array:
    velocity = predict_velocity(system, params, x, t, cameras, tokens, guidance)
    return euler_step(x, velocity, t, t_next)

  levels = [jnp.full(shape[:2], row[0]) for row in plan.levels]

  def naive() -> Array:
    x = noise
    for t, t_next in itertools.pairwise(levels):
      x = naive_step(params, x, t, t_next, cameras, tokens)
    return jax.block_until_ready(x)

  memory = program.memory(params, tokens)
  path = program.embed(params, cameras)
  step = window_step(
    system, params, memory, path, plan.size, "euler", jnp.float32(guidance)
  )
  row = jax.tree.map(lambda table: table[0], rows)
  return Job(
    ours=lambda: _render(program, params, tokens, cameras, rows, noise, plan),
    naive=naive,
    steps=steps,
    step_flops=count_flops(step, start_video(noise, "euler"), row),
    naive_flops=count_flops(
      naive_step, params, noise, levels[0], levels[1], cameras, tokens
    ),
    memory_flops=count_flops(program.memory, params, tokens),
  )


def _render(
  program: VideoProgram,
  params: Any,
  tokens: Array,
  cameras: Any,
  rows: Any,
  noise: Array,
  plan: Any,
) -> Array:
  """All steps in one program, the memory of the tokens included."""
  video = program.run(
    params,
    program.memory(params, tokens),
    program.embed(params, cameras),
    rows,
    jnp.float32(program.options.guidance),
    start_video(noise, "euler"),
    0,
    plan.steps,
    size=plan.size,
  )
  return jax.block_until_ready(video.x)


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
  """Medians over interleaved repeats, so that both see the same machine."""
  error = float(jnp.max(jnp.abs(job.ours() - job.naive())))  # compiles
  peaks, ours, naive = [], [], []
  for _ in range(repeats):
    measured_matmul_peak.cache_clear()
    peaks.append(measured_matmul_peak(dtype))
    ours.append(_seconds(job.ours) / job.steps)
    naive.append(_seconds(job.naive) / job.steps)
  peak = float(np.median(peaks))
  # Memory and embedding are part of our time, hence of our arithmetic.
  flops = job.step_flops + job.memory_flops / job.steps
  step = float(np.median(ours))
  ratios = [a / b for a, b in zip(ours, naive, strict=True)]
  shares = [flops / a / p for a, p in zip(ours, peaks, strict=True)]
  return {
    "step_share": float(np.median(shares)),
    "ratio_to_naive": float(np.median(ratios)),
    "predicted_ratio": flops / job.naive_flops,
    "peak_flops": peak,
    "step_seconds": step,
    "naive_seconds": float(np.median(naive)),
    "step_flops": flops,
    "naive_flops": float(job.naive_flops),
    "steps": job.steps,
    "largest_difference": error,
  }


def _seconds(function: Callable[[], Any]) -> float:
  start = time.perf_counter()
  function()
  return time.perf_counter() - start


def _parser() -> common.Parser:
  parser = common.parser("render (benchmark)", (__doc__ or "").split("\n")[0])
  add: Any = parser.add_argument
  add("--size", default="full", choices=sorted(SIZES))
  add("--dtype", default="float32", choices=["float32", "bfloat16"])
  add("--guidance", type=float, default=1.0, help="1 is none")
  add("--steps", type=int, default=25, help="denoising steps")
  add("--repeats", type=int, default=3)
  add("--json", metavar="FILE", help="write the numbers here")
  return parser


if __name__ == "__main__":
  sys.exit(common.run(main, verb="render benchmark"))
