"""The quickstart's table, learning curve and page."""

import json
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np

from scenetok_jax.io import atomic_path, write_text

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def learning_curve(workdir: Path, path: Path) -> None:
  """Draws the loss of a run: each logged step and a running mean."""
  lines = (workdir / "metrics.jsonl").read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  steps = np.array([row["step"] for row in rows])
  losses = np.array([float(row["loss"]) for row in rows])
  figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
  axes.plot(steps, losses, color="0.8", label="logged step")
  width = max(1, len(losses) // 20)
  mean = np.convolve(losses, np.ones(width) / width, mode="valid")
  axes.plot(steps[width - 1 :], mean, color="C0", label="running mean")
  axes.set(xlabel="step", ylabel="loss", title="stage 1 from scratch")
  axes.legend()
  with atomic_path(path) as temporary:
    figure.savefig(temporary, format="png", dpi=120)
  plt.close(figure)


def results_table(result: dict[str, Any]) -> str:
  """The two results side by side, as text."""
  scratch = result["from_scratch"]
  gap = scratch["conditioning_gap_db"]
  shown = "n/a" if gap is None else f"{gap:+.2f} dB"
  rows = (
    ("shipped checkpoint, one step", result["one_step_psnr"]),
    ("shipped checkpoint, sampled", result["psnr"]),
    ("baseline: nearest view", result["nearest_view_psnr"]),
    ("baseline: mean view", result["mean_view_psnr"]),
    ("codec ceiling", result["codec_ceiling_psnr"]),
    ("from scratch, one step", scratch["one_step_psnr"]),
    ("from scratch, sampled", scratch["psnr"]),
  )
  lines = [f"{name:<32}{psnr:>10.2f}{'':>8}" for name, psnr in rows]
  lines[1] = lines[1].rstrip() + f"{result['ssim']:>8.3f}"
  return "\n".join(
    [
      f"\n{result['scenes']} rooms that no model has seen; novel frames only",
      f"{'':<32}{'PSNR dB':>10}{'SSIM':>8}",
      *lines,
      f"from scratch: loss {scratch['loss_first']:.3f} -> "
      f"{scratch['loss_last']:.3f}; the right scene's tokens beat another's "
      f"by {shown}",
      f"total {result['seconds']:.0f} s",
    ]
  )


_FIGURES = (
  ("rooms/contact_sheet.png", "Unseen rooms, shipped checkpoint"),
  ("render/contact_sheet.png", "One unseen room along its walk"),
  ("generate/contact_sheet.png", "A room generated from one image"),
  ("scratch/contact_sheet.png", "Unseen rooms, trained from scratch just now"),
  ("from_scratch_loss.png", "Loss from scratch"),
  ("render/video.mp4", "The unseen room, rendered"),
  ("generate/video.mp4", "The generated room"),
)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>scenetok_jax quickstart</title>
<style>body{font:15px sans-serif;max-width:1100px;margin:2em auto}
img{max-width:100%;image-rendering:pixelated}</style>
<h1>scenetok_jax quickstart</h1><pre>{{ table }}</pre>
{% for file, title in figures %}
<h2>{{ title }}</h2>
{% if file.endswith("mp4") %}<video src="{{ file }}" controls loop></video>
{% else %}<img src="{{ file }}" alt="{{ title }}">
{% endif %}
{% endfor %}
</html>
"""


def write_page(out: Path, table: str) -> None:
  """OUT/index.html: the table, the pictures and the videos that exist."""
  figures = [item for item in _FIGURES if (out / item[0]).is_file()]
  page = jinja2.Template(_PAGE, autoescape=True)
  write_text(out / "index.html", page.render(table=table, figures=figures))
