"""Time, memory and bfloat16 deviation of the full-size frozen codecs.

  python -m benchmarks.codecs --json codecs.json \\
    [--write docs/performance_codecs.md]

Weights are seeded normals of the published sizes (the cost does not depend on
their values; the bfloat16 deviation does, so judge it again on the published
ones). One 256 x 256 image goes through VA-VAE, 8 frames through the Video
DC-AE, 5 through the Wan VAE. Every codec runs in a process of its own, whose
peak memory is reported. Deviations are measured at half the size. Long runs
may be cut: with --codecs and --parts, results join those that FILE holds, and
the tables show all of them. Shares are of the matrix-multiplication and
convolution speeds measured right before and after each run: other work on the
machine slows both down.
"""

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from data_pipelines.rooms import render_clip
from scenetok_jax.codecs.convert import codec_network
from scenetok_jax.codecs.registry import published
from scenetok_jax.io import atomic_path, write_json
from scenetok_jax.train.flops import count_flops, matmul_flops_per_second

FRAMES = {"va_vae": 1, "video_dc_ae": 8, "wan_vae": 5}
SIZE = 256
PARTS = ("cost", "precision")
START, END = "<!-- benchmarks.codecs: start -->", "<!-- end -->"


def main(argv: Sequence[str] | None = None) -> int:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--codecs", nargs="*", default=list(FRAMES))
  parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
  parser.add_argument("--size", type=int, default=SIZE)
  parser.add_argument("--repeats", type=int, default=2, help="timed runs")
  parser.add_argument(
    "--json", metavar="FILE", help="results, read and written"
  )
  parser.add_argument("--write", metavar="FILE", help="a page with the markers")
  parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
  args = parser.parse_args(argv)
  if args.child:
    print(json.dumps(measure(args)))
    return 0
  results: dict[str, Any] = {name: {} for name in FRAMES}
  if args.json and Path(args.json).exists():
    results |= json.loads(Path(args.json).read_text(encoding="utf-8"))
  for name in args.codecs:
    for part in args.parts:
      results[name][part] = run_child(name, part, args)
      if args.json:
        write_json(args.json, results)
  text = table(results)
  print(text)
  if args.write:
    replace_section(Path(args.write), text)
  return 0


def run_child(name: str, part: str, args: argparse.Namespace) -> dict[str, Any]:
  """Measures one part of a codec in a fresh process."""
  command = [sys.executable, "-m", "benchmarks.codecs", "--child"]
  command += ["--codecs", name, "--parts", part]
  command += ["--size", str(args.size), "--repeats", str(args.repeats)]
  done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
  return json.loads(done.stdout.splitlines()[-1])


def measure(args: argparse.Namespace) -> dict[str, Any]:
  """One part of one codec, on this process' first device."""
  name, cost = args.codecs[0], args.parts[0] == "cost"
  params = seeded(codec_network(name).shapes())
  size = args.size if cost else args.size // 2
  clip = render_clip(0, 0, FRAMES[name], size).images[None]
  images = 2.0 * jnp.asarray(clip, jnp.float32) / 255.0 - 1.0
  found = {"size": size, "frames": FRAMES[name]}
  if cost:
    return found | measure_cost(name, params, images, args.repeats)
  return found | measure_precision(name, params, images)


def measure_cost(
  name: str, params: Any, images: Any, repeats: int
) -> dict[str, Any]:
  """Sizes, seconds, memory and shares of the machine's speeds, float32."""
  load = os.getloadavg()[0]
  run = run_both(name, jnp.float32, params, images, repeats=repeats)
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  entry = published(name)
  result: dict[str, Any] = {
    "device": str(jax.devices()[0].device_kind),
    "platform": f"{platform.machine()}, {jax.device_count()} device(s)",
    "load_average": load,
    "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
    "tensors": len(jax.tree.leaves(params)),
    "peak_resident_bytes": peak,
  }
  if result["parameters"] != entry.parameters:
    raise ValueError(f"{name}: not {entry.parameters} parameters: {result}")
  for way in ("encode", "decode"):
    found = run[way]
    speeds = found["measured_flops_per_second"]
    rate = found["flops"] / found["seconds"]
    result[way] = {
      **found,
      "share_of_matmul": rate / speeds["matmul"],
      "share_of_convolution": rate / speeds["convolution"],
    }
  return result


def measure_precision(name: str, params: Any, images: Any) -> dict[str, Any]:
  """What bfloat16 changes; both precisions decode the same latents."""
  full = run_both(name, jnp.float32, params, images)
  half = run_both(name, jnp.bfloat16, params, images, full["latents"])
  return {
    "latents": deviation(half["latents"], full["latents"]),
    "images": deviation(half["images"], full["images"]),
    "seconds": {
      kind: {way: run[way]["seconds"] for way in ("encode", "decode")}
      for kind, run in (("float32", full), ("bfloat16", half))
    },
  }


def run_both(
  name: str,
  dtype: Any,
  params: Any,
  images: Any,
  latents: Any = None,
  repeats: int = 1,
) -> dict[str, Any]:
  """Encodes and decodes; latents replace the encoder's for decoding."""
  network = codec_network(name, {"dtype": dtype})
  encode = timed(
    lambda p, x: network.encode(p, x).mean, params, images, repeats
  )
  encoded = encode.pop("output")
  given = encoded if latents is None else latents
  decode = timed(network.decode, params, jnp.asarray(given), repeats)
  return {
    "latents": encoded,
    "images": decode.pop("output"),
    "encode": encode,
    "decode": decode,
  }


def timed(
  function: Callable[..., Any], params: Any, x: Any, repeats: int
) -> dict[str, Any]:
  """Output, best seconds of a few runs, compile time, FLOPs, memory."""
  start = time.perf_counter()
  compiled = jax.jit(function).lower(params, x).compile()
  seconds = [time.perf_counter() - start]
  output, speeds = None, [machine_speeds()]
  for _ in range(repeats):
    start = time.perf_counter()
    output = jax.block_until_ready(compiled(params, x))
    seconds.append(time.perf_counter() - start)
    speeds.append(machine_speeds())
  memory = compiled.memory_analysis()
  return {
    "output": np.asarray(output),
    "compile_seconds": seconds[0],
    "seconds": min(seconds[1:]),
    # Best against best.
    "measured_flops_per_second": {
      kind: max(speed[kind] for speed in speeds) for kind in speeds[0]
    },
    "flops": count_flops(function, params, x),
    "program_bytes": memory.temp_size_in_bytes if memory else None,
  }


def seeded(shapes: Any) -> Any:
  """Parameters whose layers keep the scale of their input."""
  leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)

  def draw(index: int, path: Any, leaf: Any) -> Any:
    rng = np.random.default_rng(index)
    values = rng.standard_normal(leaf.shape, np.float32)
    if path[-1].key == "scale":
      return jnp.asarray(1.0 + 0.1 * values)
    fan_in = math.prod(leaf.shape[:-1])
    return jnp.asarray(values * (0.1 if leaf.ndim == 1 else fan_in**-0.5))

  return tree.unflatten(
    [draw(i, path, leaf) for i, (path, leaf) in enumerate(leaves)]
  )


def machine_speeds() -> dict[str, float]:
  """FLOP/s of this moment, by kind of work."""
  matmul_flops_per_second.cache_clear()
  return {
    "matmul": matmul_flops_per_second("float32"),
    "convolution": convolution_speed(),
  }


def convolution_speed(size: int = 64, channels: int = 256) -> float:
  """FLOP/s of a 3x3 float32 convolution, the median of repeated runs."""
  x = jnp.ones((1, size, size, channels))
  kernel = jnp.full((3, 3, channels, channels), 1.0 / channels)

  @jax.jit
  def run(x: Any, kernel: Any) -> Any:
    return jax.lax.conv_general_dilated(
      x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )

  run(x, kernel).block_until_ready()
  seconds = []
  for _ in range(5):
    start = time.perf_counter()
    run(x, kernel).block_until_ready()
    seconds.append(time.perf_counter() - start)
  return 2.0 * size**2 * 9 * channels**2 / float(np.median(seconds))


def deviation(found: np.ndarray, expected: np.ndarray) -> dict[str, float]:
  """Largest and root-mean-square difference, relative to the reference."""
  difference = found.astype(np.float64) - expected
  rms = np.sqrt(np.mean(np.square(expected, dtype=np.float64)))
  return {
    "max": float(np.abs(difference).max() / np.abs(expected).max()),
    "rms": float(np.sqrt(np.mean(difference**2)) / rms),
  }


def table(results: dict[str, Any]) -> str:
  """Two markdown tables: cost, and what bfloat16 changes."""
  parts = {
    part: {n: r[part] for n, r in results.items() if part in r}
    for part in PARTS
  }
  lines = cost_table(parts["cost"]) if parts["cost"] else []
  if parts["precision"]:
    lines += ["", *precision_table(parts["precision"])]
  return "\n".join(lines)


def cost_table(costs: dict[str, Any]) -> list[str]:
  """Lines of the table of float32 runs."""
  first = next(iter(costs.values()))
  speeds = [
    cost[way]["measured_flops_per_second"]
    for cost in costs.values()
    for way in ("encode", "decode")
  ]
  matmul, convolution = (
    "{:.0f} to {:.0f}".format(*np.array(sorted(found))[[0, -1]] / 1e9)
    for found in zip(*(speed.values() for speed in speeds), strict=True)
  )
  lines = [
    f"Measured on {first['platform']} ({first['device']}), float32, batch 1,"
    f" {first['size']} x {first['size']} pixels, full published sizes, seeded"
    " weights. A matrix product of 2048 x 2048 ran at"
    f" {matmul} GFLOP/s and a 3x3 convolution of 256 channels at"
    f" {convolution}; each row is compared with the speeds around its own run.",
    "",
    "| codec | parameters | tensors | frames | way | GFLOP | seconds |"
    " share of matmul | share of convolution | program MB | peak process MB |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
  ]
  for name, cost in costs.items():
    for way in ("encode", "decode"):
      found = cost[way]
      program = (found["program_bytes"] or 0) / 1e6
      lines.append(
        f"| {name} | {cost['parameters']:,} |"
        f" {cost['tensors']} | {cost['frames']} | {way} |"
        f" {found['flops'] / 1e9:.0f} | {found['seconds']:.1f} |"
        f" {found['share_of_matmul']:.2f} |"
        f" {found['share_of_convolution']:.2f} | {program:.0f} |"
        f" {cost['peak_resident_bytes'] / 1e6:.0f} |"
      )
  return lines


def precision_table(results: dict[str, Any]) -> list[str]:
  """Lines of the table of bfloat16's deviations."""
  sizes = sorted({result["size"] for result in results.values()})
  lines = [
    "Computing in bfloat16 (codec field `dtype`) instead of float32, relative"
    f" difference, at {' and '.join(map(str, sizes))} pixels; both decode the"
    " same latents:",
    "",
    "| codec | latents max | latents rms | images max | images rms |",
    "|---|---|---|---|---|",
  ]
  for name, result in results.items():
    latents, images = (result[n] for n in ("latents", "images"))
    numbers = [latents["max"], latents["rms"], images["max"], images["rms"]]
    text = " | ".join(f"{number:.4f}" for number in numbers)
    lines.append(f"| {name} | {text} |")
  return lines


def replace_section(page: Path, text: str) -> None:
  """Puts text between the markers of a page, which is made when absent."""
  old = page.read_text(encoding="utf-8") if page.exists() else "# Performance\n"
  if START not in old:
    old += f"\n## Codecs\n\n{START}\n{END}\n"
  head, rest = old.split(START, 1)
  tail = rest.split(END, 1)[1]
  with atomic_path(page) as temporary:
    temporary.write_text(f"{head}{START}\n{text}\n{END}{tail}")


if __name__ == "__main__":
  sys.exit(main())
