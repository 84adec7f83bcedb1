"""What results measure: a metric of some images, by its key in them.

A score per image is called by its metric, and by whose images it is of where
those are not the predictions: psnr, codec_ceiling_psnr. A distance between
sets says before the metric whether scenes are reconstructed or generated:
rfid, codec_ceiling_rfid, unconditional_gfid.
"""

import dataclasses

from scenetok_jax.metrics.metric import Metric
from scenetok_jax.metrics.registry import METRICS, of_kind

REAL, SAMPLED, CEILING = "real", "sampled", "codec_ceiling"
OTHER_POSES = "other_poses"  # real frames with another scene's cameras
# Baselines of generation: another scene's cameras; no views at all.
SHUFFLED_POSE, UNCONDITIONAL = "shuffled_pose", "unconditional"
_WEAKER = {SHUFFLED_POSE: "wrong poses", UNCONDITIONAL: "no images"}
RECONSTRUCTED, GENERATED = "r", "g"
_POSE_COLUMNS = ("racc@10", "auc@30")  # of the paper's table


@dataclasses.dataclass(frozen=True)
class Measure:
  """A column of a table: its heading, better direction and decimals.

  scale: of the stored value; 100 shows shares as percent. is_set: whether it
  is a distance between sets, which no single scene has.
  """

  title: str
  better: str | None
  digits: int = 2
  scale: float = 1.0
  is_set: bool = False


def image_key(metric: str, who: str = SAMPLED) -> str:
  """psnr, codec_ceiling_psnr."""
  return metric if who == SAMPLED else f"{who}_{metric}"


def set_key(metric: str, who: str, prefix: str) -> str:
  """rfid, codec_ceiling_rfid, unconditional_gfid, ..."""
  return image_key(f"{prefix}{metric}", who)


def measures() -> dict[str, Measure]:
  """Every column by key, in the order of the tables."""
  images, videos = of_kind("image"), of_kind("video", "posed_video")
  sets, psnr = of_kind("image_set", "video_set"), METRICS["psnr"]
  named_sets = [
    (f"{kind}{metric.name}", f"{kind}{metric.title}", metric)
    for metric in sets
    for kind in (RECONSTRUCTED, GENERATED)
  ]
  found: dict[str, Measure] = {}

  def add(key: str, metric: Metric, title: str, *brackets: str) -> None:
    inside = "".join(f" ({text})" for text in brackets if text)
    how = (metric.better, metric.digits, metric.scale, metric.is_set)
    found[key] = Measure(f"{title}{inside}", *how)

  for metric in images:
    add(metric.name, metric, metric.title, metric.unit, metric.note)
    if metric is psnr:
      add("novel_psnr", psnr, "PSNR without context frames", psnr.unit)
      add("one_step_psnr", psnr, "PSNR in one step", psnr.unit)
  for key, title, metric in named_sets:
    add(key, metric, title, metric.note)
  for metric in of_kind("image_set"):
    title = f"{metric.title} of the same frames"
    add(metric.name, metric, title, metric.note)
  for metric in videos:
    add(metric.name, metric, metric.title)
    add(image_key(metric.name, REAL), metric, f"real frames: {metric.title}")
    if metric.kind == "posed_video":
      title = f"real frames, another scene's poses: {metric.title}"
      add(image_key(metric.name, OTHER_POSES), metric, title)
  auc = METRICS["auc@30"]
  add("shuffled_auc@30", auc, f"baseline: shuffled frames, {auc.title}")
  for metric in map(METRICS.__getitem__, _POSE_COLUMNS):
    add(metric.name, metric, metric.title, metric.unit)
  found |= {
    "representation_floats": Measure("floats a scene", None, 0),
    "seconds_per_scene": Measure("seconds a scene", "lower", 1),
    "generation_seconds_per_scene": Measure("of them generation", "lower", 1),
    "rendering_seconds_per_scene": Measure("of them rendering", "lower", 1),
  }
  add("nearest_view_psnr", psnr, "baseline: nearest view, PSNR")
  add("mean_view_psnr", psnr, "baseline: mean view, PSNR")
  for metric in sets:
    for who, title in _WEAKER.items():
      key = set_key(metric.name, who, GENERATED)
      add(key, metric, f"baseline: {title}, {GENERATED}{metric.title}")
  for metric in (*images, *videos):
    title = f"codec ceiling: {metric.title}"
    add(image_key(metric.name, CEILING), metric, title, metric.unit)
  for key, title, metric in named_sets:
    add(image_key(key, CEILING), metric, f"codec ceiling: {title}")
  return found
