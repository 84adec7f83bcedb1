"""Cases of data: crop, view_samplers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_pipelines.loading import transforms
from data_pipelines.views.evaluation import from_index, read_index
from data_pipelines.views.samplers import ViewChoice, ViewSampler
from scenetok_jax.geometry.latent_frames import Grouping
from scenetok_jax.parity.case import Arrays, Case
from scenetok_jax.parity.config_block import check_fields
from scenetok_jax.parity.modules import channels_first, channels_last
from scenetok_jax.types import Cameras, InputError

# Fields of the release's view samplers.
_SHARED = {
  *("name", "num_context_views", "num_target_views", "temporal_downsample"),
  *("chunk_index_gap", "offset"),
}
_EVALUATION = {*_SHARED, "index_path"}
_RANDOM = {
  *(*_SHARED, "context_sampling", "num_target_split", "target_split_prob"),
  *("sample_cond_views", "max_cond_number"),
}
_BOUNDED = {
  *("min_distance_between_context_views", "context_gap_warm_up_steps"),
  *("max_distance_between_context_views", "target_gap_warm_up_steps"),
  "initial_min_distance_between_context_views",
  "initial_max_distance_between_context_views",
  *("max_distance_to_context_views", "initial_max_distance_to_context_views"),
}


def crop(case: Case) -> Arrays:
  """Resized, cropped and mirrored frames with their cameras."""
  found: Arrays = {}
  for run in case.config["runs"]:
    prefix, given = run["prefix"], case.given(run["prefix"])
    frames = channels_last(given["image_u8"])
    pairs = [
      transforms.rescale_and_crop(frame, k, tuple(run["shape"]))
      for frame, k in zip(frames, given["intrinsics"], strict=True)
    ]
    images = np.stack([image for image, _ in pairs])
    intrinsics = np.stack([k for _, k in pairs])
    mirrored, cameras = transforms.flip(
      images, Cameras(given["extrinsics"], intrinsics)
    )
    for kind in ("f32", "f64"):
      found[f"{prefix}{kind}_image_u8"] = channels_first(images)
      found[f"{prefix}{kind}_intrinsics"] = intrinsics
    found[f"{prefix}reflected_image_u8"] = channels_first(mirrored)
    found[f"{prefix}reflected_extrinsics"] = cameras.extrinsics
  return found


class Replay:
  """Answers the calls of a random generator with recorded draws."""

  def __init__(self, draws: Sequence[Any], where: str) -> None:
    self._draws, self._where = list(draws), where

  def _take(self, kind: str) -> Any:
    recorded, value = self._draws.pop(0) if self._draws else ("nothing", None)
    if recorded != kind:
      raise InputError(
        f"{self._where}: draws: {recorded} is recorded where {kind} is drawn;"
        " record them in the order of docs/architecture/views.md"
      )
    return value

  def finish(self) -> None:
    """InputError unless every draw was taken."""
    if self._draws:
      raise InputError(
        f"{self._where}: draws: {len(self._draws)} recorded that are not made;"
        " record those of docs/architecture/views.md alone"
      )

  def random(self) -> float:
    return 1.0 if self._take("choice") else 0.0  # true: do not split

  def integers(self, low: int, high: int) -> int:
    drawn = int(np.ravel(self._take("randint"))[0])
    if not low <= drawn < high:
      raise InputError(
        f"{self._where}: draws: {drawn} is recorded where one of {low} to"
        f" {high - 1} is drawn; record them as docs/architecture/views.md says"
      )
    return drawn

  def choice(self, among: Any, size: int, replace: bool) -> np.ndarray:
    """Positions among so many starts, or some of the frames given."""
    del replace  # never
    drawn = np.array(self._take("multinomial"))
    among = np.arange(among) if isinstance(among, int) else among
    if len(drawn) != size or not np.isin(drawn, among).all():
      raise InputError(
        f"{self._where}: draws: {drawn.tolist()} are not {size} of"
        f" {among.tolist()}; record them as docs/architecture/views.md"
        " says"
      )
    return drawn


def view_samplers(case: Case) -> Arrays:
  """Frames chosen from an index file, and from recorded draws."""
  found: Arrays = {}
  for run in case.config.get("evaluation", ()):
    sampler = run["view_sampler"]
    chunked = is_chunked(case, sampler)
    index = read_index(case.path / sampler["index_path"], repeats=True)
    for i, scene in enumerate(run["scenes"]):
      choice = from_index(
        index.scenes[scene], Grouping(sampler["temporal_downsample"], chunked)
      )
      found |= _choice(f"{run['prefix']}{i}_", choice)
  for run in case.config.get("random", ()):
    sampler = sampler_of(run["view_sampler"])
    train = run["stage"] == "train"
    if sampler.name == "bounded":
      # There the call's stage splits targets, the sampler's own sets the gap.
      sampler = sampler if train else dataclasses.replace(sampler, chunks=1)
      train = run.get("sampler_stage", run["stage"]) != "test"
    latents = sampler.grouping.latents(run["num_views"])
    if sampler.name == "unbounded" and run["num_latents"] != latents:
      raise InputError(
        f"{case.name}: num_latents: {run['num_latents']} of"
        f" {run['num_views']} views, which have {latents}; correct it"
      )
    draws: Any = Replay(run["draws"], case.name)
    poses = case.inputs["extrinsics"][: run["num_views"]]
    choice = sampler.sample(draws, poses, run["global_step"], train=train)
    draws.finish()
    found |= _choice(run["prefix"], choice)
  return found


def is_chunked(case: Case, sampler: dict) -> bool:
  """Whether an evaluation sampler groups 17 frames in 5 latents.

  Raises:
    InputError: it is no evaluation sampler, or has an unknown option.
  """
  names = ("evaluation_video", "evaluation_video_wan")
  name = case.one_of(sampler, "name", names)
  check_fields(sampler, _EVALUATION, "view_sampler")
  return name == names[1]


def _choice(prefix: str, choice: ViewChoice) -> Arrays:
  return {
    f"{prefix}context": choice.context,
    f"{prefix}target": choice.target,
    f"{prefix}latent": choice.latents,
    f"{prefix}cond": choice.condition,
  }


def sampler_of(fields: dict) -> ViewSampler:
  """A random view sampler from the release's settings."""
  conditions = fields.get("max_cond_number", 0)
  more: dict[str, Any] = {}
  bounded = fields["name"] == "bounded"
  check_fields(fields, _RANDOM | (_BOUNDED if bounded else set()), "sampler")
  if bounded:
    more = _bounded(fields)
  return ViewSampler(
    name=fields["name"],
    num_context=fields["num_context_views"],
    num_targets=fields["num_target_views"],
    num_conditions=conditions if fields.get("sample_cond_views") else 0,
    grouping=Grouping(
      fields["temporal_downsample"], fields.get("offset", 0) == 1
    ),
    gap=fields["chunk_index_gap"],
    chunks=fields.get("num_target_split", 1),
    uneven=True,
    chunk_probability=fields.get("target_split_prob", 1.0),
    context=fields.get("context_sampling", "farthest_point"),
    **more,
  )


def _bounded(fields: dict) -> dict[str, Any]:
  """Limits of the context interval and of the targets' margin."""
  distance = "distance_between_context_views"
  margin = "max_distance_to_context_views"
  final = (fields[f"min_{distance}"], fields[f"max_{distance}"])
  return {
    "initial_context_gap": (
      fields.get(f"initial_min_{distance}", final[0]),
      fields.get(f"initial_max_{distance}", final[1]),
    ),
    "final_context_gap": final,
    "warmup_steps": fields.get("context_gap_warm_up_steps", 0),
    "initial_margin": fields.get(f"initial_{margin}"),
    "margin": fields.get(margin, 0),
    "margin_warmup_steps": fields.get("target_gap_warm_up_steps", 0),
  }
