"""Speed of networks and train step as shares of the matmul peak; memory.

  python -m benchmarks.train_step [--json FILE] [--only PART]

Full published size (configs/scenetok_re10k.py), batch 1, float32, stored
latents. FLOPs are those of matrix products as the program executes them,
recomputation included; `useful` leaves recomputation out. The yardstick is a
2048-square matmul right before and after each run. Every part runs in a
process of its own. A train step that does not fit the free memory is timed
with half of the blocks, and says so. Memory is what the compiler assigns to a
step beside the state that it updates in place, at the batch of --memory-batch.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from benchmarks.yardstick import against_matmul, executed_flops, filled
from scenetok_jax import console
from scenetok_jax.aot.program import Program, train_program
from scenetok_jax.io import write_json
from scenetok_jax.model import build, identity_cameras, init_stage1
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config

CONFIG = "configs/scenetok_re10k.py:embedded"
PARTS = ("encoder", "decoder", "remat", "plain", "memory")
GIB = 1 << 30
_ROOM = 0.7  # of the free memory: the matmuls and the interpreter need some


def main(argv: Sequence[str] | None = None) -> int:
  """Prints and writes the shares and the memory ratio."""
  args, overrides = _parser().parse_known_args(argv)
  if args.child:
    found = measure(args.only, args, overrides)
    print(json.dumps(found))
    return 0
  words = list(argv) if argv is not None else sys.argv[1:]
  result: dict[str, Any] = {}
  for part in [args.only] if args.only else PARTS:
    result |= run_child(part, words)
    print(text(part, result), flush=True)
  if args.json:
    write_json(args.json, result)
  return 0


def run_child(part: str, words: list[str]) -> dict[str, Any]:
  """Measures one part in a fresh process."""
  command = [sys.executable, "-m", "benchmarks.train_step", *words]
  command += ["--child", "--only", part]
  done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
  if done.returncode:
    raise InputError(f"{part}: ended with status {done.returncode}")
  return json.loads(done.stdout.splitlines()[-1])


def measure(
  part: str, args: argparse.Namespace, overrides: list[str]
) -> dict[str, Any]:
  config = load_config(CONFIG, overrides)
  if part in ("encoder", "decoder"):
    return network(part, config, args.repeats)
  if part == "memory":
    return memory(config, args.memory_batch)
  return train(part, config, args.repeats)


def network(part: str, config: ConfigDict, repeats: int) -> dict[str, Any]:
  """Forward pass of the encoder or the decoder."""
  model = build(config)
  shapes = jax.eval_shape(
    lambda key: init_stage1(model, key), jax.eval_shape(jax.random.key, 0)
  )
  name = "tokenizer" if part == "encoder" else "decoder"
  params = filled(shapes[name])
  if part == "encoder":
    views = model.num_context
    inputs: tuple[Any, ...] = (
      _normal(1, views, *model.latent_shape(model.context_codec)),
      identity_cameras(1, views),
    )
  else:
    codec, latents = model.target_codec, model.num_targets
    tokens = model.tokenizer
    inputs = (
      _normal(1, latents, *model.latent_shape(codec)),
      jnp.full((1, latents), 500.0),
      identity_cameras(1, codec.frames(latents)),
      _normal(1, tokens.num_tokens, tokens.token_channels),
    )
  module = getattr(model, name)

  def forward(params: Any, *inputs: Any) -> Any:
    return module.apply({"params": params}, *inputs)

  compiled = jax.jit(forward).lower(params, *inputs).compile()
  flops = executed_flops(compiled)
  jax.block_until_ready(compiled(params, *inputs))
  found = against_matmul(lambda: compiled(params, *inputs), flops, repeats)
  return {
    f"{part}_forward_share": found.share,
    f"{part}_forward_seconds": found.seconds,
    f"{part}_forward_flops": flops,
    f"{part}_matmul_flops_per_second": found.peak,
  }


def train(part: str, config: ConfigDict, repeats: int) -> dict[str, Any]:
  """The train step with or without recomputation, batch 1.

  Blocks are left out, evenly in both networks, until it fits the free memory;
  the share of blocks that were timed is part of the result.
  """
  policy = "full" if part == "remat" else "none"
  depths = config.tokenizer.depth, config.decoder.depth
  for fewer in (1, 2, 4):
    config.tokenizer.depth, config.decoder.depth = (n // fewer for n in depths)
    program = _program(config, policy, 1)
    start = time.perf_counter()
    compiled = _compiled(program)
    compile_seconds = time.perf_counter() - start
    temporary = compiled.memory_analysis().temp_size_in_bytes
    needed = sum(program.held.values()) + temporary
    if needed < _ROOM * available_bytes():
      break
  else:
    raise InputError(f"{part}: needs {needed / GIB:.1f} GiB of free memory")
  executed = executed_flops(compiled)
  useful = executed
  if policy != "none":
    useful = _program(config, "none", 1).flops
  run = stepper(program, compiled)
  jax.block_until_ready(run())
  found = against_matmul(run, executed, repeats)
  useful_share = found.share * useful / executed
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  return {
    f"train_executed_share_{part}": found.share,
    f"train_useful_share{'_remat' if part == 'remat' else ''}": useful_share,
    f"train_seconds_{part}": found.seconds,
    f"train_flops_{part}": executed,
    f"train_matmul_flops_per_second_{part}": found.peak,
    f"train_compile_seconds_{part}": compile_seconds,
    f"train_peak_resident_bytes_{part}": peak,
    f"train_depth_share_{part}": 1 / fewer,
  }


def stepper(program: Program, compiled: Any) -> Callable[[], Any]:
  """Takes the next step of a training, and returns what to wait for.

  program: of train_program, compiled.
  """
  shapes, frozen, batch, _ = program.arguments
  # Moments and step start at zero.
  zeros = jax.jit(
    lambda: jax.tree.map(
      lambda x: jnp.zeros(x.shape, x.dtype), shapes.replace(params=())
    )
  )
  state = zeros().replace(params=filled(shapes.params))
  frozen, batch, key = filled(frozen), _batch(batch), jax.random.key(0)

  def run() -> Any:
    nonlocal state
    state, metrics = compiled(state, frozen, batch, key)
    return metrics["loss"], state.step

  return run


def available_bytes() -> int:
  """Memory that a process may still take without swapping."""
  with open("/proc/meminfo", encoding="utf-8") as file:
    rows = dict(line.split(":") for line in file)
  return int(rows["MemAvailable"].split()[0]) * 1024


def memory(config: ConfigDict, batch: int) -> dict[str, Any]:
  """Bytes of a step beside its arguments, by the compiler."""
  needed = {}
  for policy in ("none", "full"):
    program = _program(config, policy, batch)
    analysis = _compiled(program).memory_analysis()
    needed[policy] = analysis.temp_size_in_bytes
  return {
    "memory_batch": batch,
    "memory_bytes_plain": needed["none"],
    "memory_bytes_remat": needed["full"],
    "memory_bytes_state": sum(program.held.values()),
    "remat_memory_ratio": needed["none"] / needed["full"],
  }


def _program(config: ConfigDict, remat: str, batch: int) -> Program:
  config = config.copy_and_resolve_references()
  with config.unlocked():
    config.remat, config.data.batch_size = remat, batch
  return train_program(config, make_mesh({}, jax.devices()[:1]))


def _compiled(program: Program) -> Any:
  with jax.set_mesh(make_mesh({}, jax.devices()[:1])):
    return program.jitted.lower(*program.arguments).compile()


def _normal(*shape: int) -> jax.Array:
  return filled(jax.ShapeDtypeStruct(shape, jnp.float32), scale=1.0)


def _batch(shapes: Any) -> Any:
  """Latents drawn, cameras all at the origin."""

  def views(part: Any) -> Any:
    if part is None:
      return None
    return part.replace(
      latents=filled(part.latents, 1.0),
      cameras=identity_cameras(*part.cameras.extrinsics.shape[:2]),
    )

  names = ("context", "target", "condition")
  return shapes.replace(**{n: views(getattr(shapes, n)) for n in names})


def text(part: str, found: dict[str, Any]) -> str:
  if part == "memory":
    plain, remat = found["memory_bytes_plain"], found["memory_bytes_remat"]
    return (
      f"memory, batch {found['memory_batch']}: {plain / GIB:.2f} GiB, with"
      f" remat {remat / GIB:.2f} GiB: {found['remat_memory_ratio']:.2f} times"
      f" lower; state {found['memory_bytes_state'] / GIB:.2f} GiB"
    )
  if part in ("encoder", "decoder"):
    share, prefix = found[f"{part}_forward_share"], f"{part}_forward"
    flops, seconds = found[f"{prefix}_flops"], found[f"{prefix}_seconds"]
    peak = found[f"{part}_matmul_flops_per_second"]
    more = ""
  else:
    share, prefix = found[f"train_executed_share_{part}"], f"train step {part}"
    flops, seconds = (
      found[f"train_flops_{part}"],
      found[f"train_seconds_{part}"],
    )
    peak = found[f"train_matmul_flops_per_second_{part}"]
    resident = found[f"train_peak_resident_bytes_{part}"]
    useful = found["train_useful_share" + ("_remat" * (part == "remat"))]
    more = (
      f"; useful {useful:.1%}; peak resident {resident / GIB:.1f} GiB;"
      f" {found[f'train_depth_share_{part}']:.0%} of the blocks"
    )
  return (
    f"{prefix}: {flops / 1e9:.0f} GFLOP in {seconds:.2f} s:"
    f" {share:.1%} of {peak / 1e9:.0f} GFLOP/s{more}"
  )


def _parser() -> console.Parser:
  head = (__doc__ or "").split("\n")[0]
  parser = console.parser("train_step (benchmark)", head)
  add: Any = parser.add_argument
  add("--only", choices=PARTS, help="one part")
  add("--repeats", type=int, default=3)
  add("--memory-batch", type=int, default=4)
  add("--json", metavar="FILE", help="write the numbers here")
  add("--child", action="store_true", help=argparse.SUPPRESS)
  parser.epilog = "Any field: --config.FIELD=VALUE (--config.decoder.depth=2)."
  return parser


if __name__ == "__main__":
  sys.exit(console.run(main, verb="train_step benchmark"))
