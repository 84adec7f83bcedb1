"""Which fields of a case's config.json nothing has read: each is an error."""

import fnmatch
from collections.abc import Iterator
from typing import Any

# Fields that ask for nothing, and why. "*" stands for any text; the numbers of
# runs are left out.
_REMARKS = {
  "words about the case": """
    note runs.note metric network layout inputs outputs frames_accepted
    scale_rule default_tiling published
  """,
  "how the stored arrays were made": """
    seed torch versions published_path checkpoint source heads_file
    head_keys dtypes ignore_keys distractor_keys full_gradients runs.mid
  """,
  "measured beside them": """
    fp32_vs_fp64_max_abs difference_between_methods num_parameters
    upstream_fp16_values_for_a_0 whole_sequence_equivalence_max_abs
    num_model_tensors runs.rows runs.all_clean_at_end
  """,
  "sizes, which the arrays have themselves": """
    in_channels cond_dim num_scene_tokens runs.batch runs.views
    runs.frames runs.latents *kwargs.in_channels *num_views
    *compressor.input_shape *denoiser.input_shape runs.shape
    scene_generator.input_shape random.num_latents
    *view_sampler.num_context_views *view_sampler.num_target_views
  """,
  "names of upstream's classes": """
    *compressor.name *denoiser.name *scene_generator.name
    runs.target_latent_type *.pretrained_from *.schedule_type
  """,
  "changes no number upstream": """
    *.gradient_checkpointing *.use_rope_1d *.no_null_expand
    *embedding.bias *embedding.flatten *embedding.dropout_prob
    scene_generator.scale_factor *.token_dim *.num_scene_tokens
  """,
  "read upstream where another field says so": """
    *compressor.reproject_out *.gap *chunk_index_gap *offset
    runs.scene_cfg runs.cfg_train runs.noise_chunks runs.shift
    runs.temporal_downsample runs.timestep_shift runs.patch
    runs.uniform_noise random.sampler_stage random.global_step
    runs.scale_context_focal_by_256
  """,
}
_PATTERNS = " ".join(_REMARKS.values()).split()


class Fields(dict[str, Any]):
  """A JSON object that remembers which of its fields were asked for."""

  def __init__(self, values: dict[str, Any]) -> None:
    super().__init__({name: watched(v) for name, v in values.items()})
    self.asked: set[str] = set()

  def __getitem__(self, name: str) -> Any:
    self.asked.add(name)
    return super().__getitem__(name)

  def get(self, name: str, default: Any = None) -> Any:
    self.asked.add(name)
    return super().get(name, default)

  def items(self) -> Any:
    self.asked.update(self)
    return super().items()

  def values(self) -> Any:
    self.asked.update(self)
    return super().values()

  def __iter__(self) -> Iterator[str]:
    """Here, so that {**fields} asks for each field too."""
    return super().__iter__()


def watched(value: Any) -> Any:
  """A JSON value whose objects are Fields."""
  if isinstance(value, dict):
    return Fields(value)
  return [watched(v) for v in value] if isinstance(value, list) else value


def unread(value: Any, path: str = "", place: str = "") -> Iterator[str]:
  """Paths of fields that are set, ask for something, and were not read.

  path: of the value, "runs[0].wobble"; place: the same without numbers.
  """
  if isinstance(value, list):
    for i, item in enumerate(value):
      yield from unread(item, f"{path}[{i}]", place)
  if not isinstance(value, Fields):
    return
  for name, item in dict.items(value):
    where = f"{path}.{name}".lstrip(".")
    kind = f"{place}.{name}".lstrip(".")
    if name in value.asked:
      yield from unread(item, where, kind)
    elif item and not any(fnmatch.fnmatch(kind, p) for p in _PATTERNS):
      yield where
