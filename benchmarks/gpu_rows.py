"""What the report of a GPU measures, on the first device of this process."""

import itertools
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from benchmarks.train_step import stepper
from benchmarks.yardstick import filled
from data_pipelines import sources
from data_pipelines.storage import builders
from scenetok_jax.aot.program import train_program
from scenetok_jax.model import Model, build, identity_cameras
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.reading.json_text import read_rows
from scenetok_jax.sampling import generate as generation
from scenetok_jax.sampling.options import GenerateOptions, RenderOptions
from scenetok_jax.sampling.render import render_latents
from scenetok_jax.sampling.video import VideoProgram, render_video
from scenetok_jax.train import auto, forecast, shapes
from scenetok_jax.train.flops import count_flops, peak_flops_per_second
from scenetok_jax.train.preemption import PREEMPTED
from scenetok_jax.train.writer import TRAIN_FILE
from scenetok_jax.types import AUTO, InputError
from scenetok_jax.workdir.config import load_config

GPUS = 4  # among which the published batches were shared out
_SECONDS = 5.0  # of repeated runs
_SCENES = 16  # rooms that the training reads

Result = dict[str, Any]


def train_step(config: str, attention: str) -> Result:
  """A step on stored latents, as `auto` would place it on one device."""
  settings = _settings(config, attention)
  settings = fitted(settings, jax.devices()[0])
  mesh = make_mesh({}, jax.devices()[:1])
  program = train_program(settings, mesh)
  start = time.perf_counter()
  with jax.set_mesh(mesh):
    compiled = program.jitted.lower(*program.arguments).compile()
  compile_seconds = time.perf_counter() - start
  _, seconds = timed(stepper(program, compiled))
  useful, batch = program, settings.data.batch_size
  if settings.remat != "none":  # what is computed twice is not useful
    useful = train_program(forecast.with_values(settings, remat="none"), mesh)
  return {
    "batch": batch,
    "remat": settings.remat,
    "examples_per_second": batch / seconds,
    "compile_seconds": compile_seconds,
    **_shared(settings, seconds, useful.flops),
  }


def render(config: str, frames: int) -> Result:
  """A video of so many frames, decoded by the block DCT, to the host."""
  settings = _settings(config)
  model, options = build(settings), RenderOptions.of(settings.sampling)
  program, key = VideoProgram(model, options), jax.random.key(0)
  params = filled({"decoder": shapes.stage1_params(model)["decoder"]})
  tokens, cameras = _normal(1, *model.token_shape), identity_cameras(1, frames)

  def run() -> np.ndarray:
    return render_video(program, params, tokens, cameras, key, options=options)

  with jax.set_mesh(make_mesh({}, jax.devices()[:1])):
    first, seconds = timed(run)
  latents = model.target_codec.latents(frames)
  shape = model.latent_shape(model.target_codec)
  flops = count_flops(
    lambda *given: render_latents(model, *given, options),
    params, tokens, cameras, shapes.array(1, latents, *shape),
  )  # fmt: skip
  return {
    "frames": frames,
    "frames_per_second": frames / seconds,
    "compile_seconds": first - seconds,
    **_shared(settings, seconds, flops),
  }


def generate(config: str) -> Result:
  """The tokens of one scene, given one view."""
  settings = _settings(config)
  model, options = build(settings), GenerateOptions.of(settings.generation)
  program = generation.TokenProgram(model, options)
  task = shapes.stage_task(settings, model)
  params = filled(jax.eval_shape(task.init, shapes.abstract_key()))
  condition = _condition(model, settings.generation.anchors)
  noise = generation.token_noise(model, jax.random.key(0), 1)

  def run() -> Any:
    return generation.sample_tokens(program, params, condition, noise, options)

  with jax.set_mesh(make_mesh({}, jax.devices()[:1])):
    first, seconds = timed(run)
  flops = count_flops(
    lambda *given: generation.generate_tokens(model, *given, options),
    params, condition, noise,
  )  # fmt: skip
  return {
    "scenes_per_minute": 60 / seconds,
    "compile_seconds": first - seconds,
    **_shared(settings, seconds, flops),
  }


def rooms(config: str, seconds: float) -> Result:
  """`scenetok train` on fresh rooms, ended so long after its first row."""
  with tempfile.TemporaryDirectory() as folder:
    data, run, log = (Path(folder) / name for name in ("data", "run", "log"))
    options: Any = sources.options_type("rooms")(scenes=_SCENES)
    builders.build(data, sources.plan("rooms", None, "train", options))
    command = [
      sys.executable, "-m", "scenetok_jax.cli.train", f"--config={config}",
      f"--workdir={run}", f"--config.data.path={data}",
      "--config.train.eval_every=0",
    ]  # fmt: skip
    metrics = run / TRAIN_FILE
    with (
      log.open("w") as file,
      subprocess.Popen(command, stdout=file, stderr=file) as child,
    ):
      while child.poll() is None and not metrics.exists():
        time.sleep(0.2)
      try:
        child.wait(seconds)
      except subprocess.TimeoutExpired:
        child.terminate()  # it saves, and ends
    if child.returncode not in (0, PREEMPTED):
      told = log.read_text().splitlines() or [f"status {child.returncode}"]
      raise InputError(f"scenetok train: {told[-1]}")
    rows = [row for _, row in read_rows(metrics)]
  last = rows[-1]
  return {
    "steps": last["step"],
    "loss_first": rows[0]["loss"],
    "loss_last": last["loss"],
    "seconds": last["step_seconds"],
    "examples_per_second": last["examples_per_second"],
    "flop_utilisation": last["flop_utilisation"],
    "compile_seconds": sum(row["compile_seconds"] for row in rows),
    "peak_bytes": last.get("device_peak_bytes"),
  }


def fitted(config: ConfigDict, device: Any) -> ConfigDict:
  """With batch, mesh and remat as a run of one device would choose them.

  The batch is one GPU's share of the published one, halved until the forecast
  fits.
  """
  memory = (device.memory_stats() or {}).get("bytes_limit")
  batch, steps = config.data.batch_size // GPUS, config.train.accumulate
  if memory is None:  # a CPU
    return forecast.with_values(
      config, remat="none", data={"batch_size": batch}
    )
  while batch:
    config = forecast.with_values(config, data={"batch_size": batch})
    found = itertools.takewhile(
      lambda c: c.accumulate == steps, forecast.candidates(config, [device])
    )
    for candidate in found:
      if forecast.fits(candidate, memory):
        return forecast.with_candidate(config, candidate)
    batch //= 2
  raise InputError("not even one example fits the device")


def timed(run: Callable[[], Any]) -> tuple[float, float]:
  """Seconds of the first run, and of 3 to 20 later ones: their median."""
  seconds: list[float] = []
  while len(seconds) < 4 or (sum(seconds) < _SECONDS and len(seconds) < 21):
    start = time.perf_counter()
    jax.block_until_ready(run())
    seconds.append(time.perf_counter() - start)
  return seconds[0], float(np.median(seconds[1:]))


def _settings(config: str, attention: str = AUTO) -> ConfigDict:
  """A configuration for the first device; InputError for what it lacks."""
  settings = load_config(config, [f"--config.attention={attention}"])
  settings = auto.with_compute(settings, jax.devices()[0])
  if settings.remat == AUTO and attention == AUTO:
    settings.remat = "none"  # no gradient
  return settings


def _shared(config: ConfigDict, seconds: float, flops: float) -> Result:
  """What the rows of the networks have in common; flops: useful ones."""
  device, peak = jax.devices()[0], peak_flops_per_second(config.dtype)
  stats = device.memory_stats() or {}
  resident = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return {
    "device": device.device_kind,
    "dtype": config.dtype,
    "attention": config.attention,
    "seconds": seconds,
    "flop_utilisation": flops / seconds / peak,
    "peak_bytes": stats.get("peak_bytes_in_use", resident),
  }


def _condition(model: Model, anchors: int) -> generation.SceneCondition:
  views = model.num_conditions
  return generation.SceneCondition(
    _normal(1, views, *model.latent_shape(model.context_codec)),
    identity_cameras(1, views),
    identity_cameras(1, anchors),
    jnp.arange(views)[None] < 1,
  )


def _normal(*shape: int) -> jax.Array:
  return jax.random.normal(jax.random.key(1), shape)
