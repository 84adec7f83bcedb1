"""The quickstart: what it runs, what it sums up, and its page."""

import shlex
import tomllib
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure

from scenetok_jax.io import atomic_path, write_text
from scenetok_jax.reading.json_text import read_json, read_rows
from scenetok_jax.workdir import places

WORK = "work"
FILES = ("quickstart.json", "from_scratch_loss.png", "index.html")
_TEXTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_PAGE = Path(__file__).with_suffix(".html")


def commands(out: Path, smoke: bool) -> list[tuple[str, list[str]]]:
  """(what it is, command) of every step, as a user would type it.

  Data and runs go to out/work. smoke: tiny sizes, to see that it runs.
  """
  folders = {
    "out": out,
    "work": out / WORK,
    "data": out / WORK / "rooms",
    "shipped": places.workdir("checkpoints/rooms"),
  }
  values = {name: shlex.quote(str(path)) for name, path in folders.items()}
  values |= _TEXTS["sizes"]["smoke" if smoke else "full"]
  return [
    (title, shlex.split(command.format(**values)))
    for title, command in _TEXTS["steps"].items()
  ]


def summary(out: Path, seconds: float) -> dict[str, Any]:
  """The keys of report/quickstart.json (docs/evaluation.md)."""
  work = out / WORK
  shipped, scratch = (
    read_json(work / name) for name in ("rooms.json", "scratch.json")
  )
  losses = [row["loss"] for row in _logged(work / "scratch")]
  baselines = ("nearest_view_psnr", "mean_view_psnr", "codec_ceiling_psnr")
  names = ("psnr", "one_step_psnr", "ssim", *baselines, "scenes")
  own = ("psnr", "one_step_psnr", "conditioning_gap_db")
  return {
    **{name: shipped[name] for name in names},
    "seconds": seconds,
    "from_scratch": {
      "loss_first": losses[0],
      "loss_last": losses[-1],
      **{name: scratch[name] for name in own},
    },
  }


def _logged(workdir: Path) -> list[dict[str, Any]]:
  """What a run logged, step by step."""
  return [row for _, row in read_rows(workdir / "metrics.jsonl")]


def learning_curve(workdir: Path, path: Path) -> None:
  """Draws the loss of a run: each logged step and a running mean."""
  rows = _logged(workdir)
  steps = np.array([row["step"] for row in rows])
  losses = np.array([float(row["loss"]) for row in rows])
  figure = Figure(figsize=(6, 3.5), layout="constrained")
  axes = figure.subplots()
  axes.plot(steps, losses, color="0.8", label="logged step")
  width = max(1, len(losses) // 20)
  mean = np.convolve(losses, np.ones(width) / width, mode="valid")
  axes.plot(steps[width - 1 :], mean, color="C0", label="running mean")
  axes.set(xlabel="step", ylabel="loss", title="stage 1 from scratch")
  axes.legend()
  with atomic_path(path) as temporary:
    figure.savefig(temporary, format="png", dpi=120)


def results_table(result: dict[str, Any]) -> str:
  """The two results side by side, as text."""
  gap = result["from_scratch"]["conditioning_gap_db"]
  shown = "n/a" if gap is None else f"{gap:+.2f} dB"
  return _TEXTS["results"]["table"].format(**result, gap=shown)


def write_page(file: Path, table: str, folder: Path) -> None:
  """The table, and of a folder the pictures and videos that exist."""
  figures = _TEXTS["figures"].items()
  figures = [item for item in figures if (folder / item[0]).is_file()]
  page = jinja2.Template(_PAGE.read_text("utf-8"), autoescape=True)
  write_text(file, page.render(table=table, figures=figures))
