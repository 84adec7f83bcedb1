"""The quickstart: what it runs, and what it sums up."""

import json
from pathlib import Path
from typing import Any

from scenetok_jax.workdir import builtin

WORK = "work"
TRAIN_ROOMS, TEST_ROOMS, FRAMES = 160, 16, 48


def commands(out: Path, smoke: bool) -> list[tuple[str, list[str]]]:
  """(what it is, command) of every step, as a user would type it.

  Args:
    out: folder of the report; data and runs go to out/work.
    smoke: tiny sizes, to see that it runs.
  """
  work, shipped = out / WORK, builtin.workdir("checkpoints/rooms")
  data, scratch = str(work / "rooms"), str(work / "scratch")
  generator = str(work / "generator")
  # The generator must keep the shipped tokenizer's sizes: only steps shrink.
  brief = (
    ["--config.train.total_steps=2", "--config.optimizer.warmup_steps=1"]
    if smoke
    else []
  )
  rooms = 4 if smoke else TRAIN_ROOMS
  tests = 2 if smoke else TEST_ROOMS

  def rooms_of(split: str, count: int) -> list[str]:
    return [
      "prepare", "--dataset=rooms", f"--split={split}", f"--scenes={count}",
      f"--frames={FRAMES}", f"--out={data}",
    ]  # fmt: skip

  def train_with(config: str, workdir: str, *more: str) -> list[str]:
    return [
      "train", f"--config={config}",
      f"--workdir={workdir}", f"--config.data.path={data}", *more,
    ]  # fmt: skip

  def evaluate_with(workdir: str, name: str) -> list[str]:
    return [
      "evaluate", f"--workdir={workdir}", "--protocol=heldout",
      f"--data={data}", f"--json={work / name}.json", f"--out={out / name}",
    ]  # fmt: skip

  scratch_config = "quickstart" + (":smoke" if smoke else "")
  return [
    ("Making rooms to train on", rooms_of("train", rooms)),
    ("Making rooms that no model has seen", rooms_of("test", tests)),
    (
      "(a) From scratch: tokenizer and renderer",
      train_with(scratch_config, scratch),
    ),
    ("(a) Scoring the model from scratch", evaluate_with(scratch, "scratch")),
    (
      "(b) Scoring the shipped checkpoint",
      evaluate_with(shipped, "rooms"),
    ),
    (
      "(b) Training a generator on the shipped tokenizer's tokens",
      train_with(
        "rooms:generator,quick",
        generator,
        f"--config.tokenizer_from={shipped}",
        *brief,
      ),
    ),
    (
      "(b) Rendering an unseen room along its walk",
      [
        "render", f"--workdir={shipped}", f"--data={data}", "--split=test",
        "--scene=0", "--trajectory=clip", f"--out={out / 'render'}",
      ],
    ),
    (
      "(b) Generating a room from one image",
      [
        "generate", f"--workdir={generator}", f"--data={data}",
        "--split=test", "--scene=1", "--views", "0",
        f"--frames={FRAMES // 2}", f"--out={out / 'generate'}",
      ],
    ),
  ]  # fmt: skip


def summary(out: Path, seconds: float) -> dict[str, Any]:
  """The keys of report/quickstart.json (docs/evaluation.md)."""
  work = out / WORK
  shipped = json.loads((work / "rooms.json").read_text())
  scratch = json.loads((work / "scratch.json").read_text())
  lines = (work / "scratch" / "metrics.jsonl").read_text().splitlines()
  losses = [json.loads(line)["loss"] for line in lines]
  names = (
    "psnr",
    "one_step_psnr",
    "ssim",
    "nearest_view_psnr",
    "mean_view_psnr",
    "codec_ceiling_psnr",
    "scenes",
  )
  return {
    **{name: shipped[name] for name in names},
    "seconds": seconds,
    "from_scratch": {
      "loss_first": losses[0],
      "loss_last": losses[-1],
      **{
        name: scratch[name]
        for name in ("psnr", "one_step_psnr", "conditioning_gap_db")
      },
    },
  }
