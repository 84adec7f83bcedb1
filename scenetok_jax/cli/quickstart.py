"""The whole job in ten minutes: rooms, both stages, pictures and scores."""

import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import configs
from scenetok_jax import console
from scenetok_jax.cli import evaluate, generate, prepare, render, train
from scenetok_jax.cli.quickstart_report import (
  learning_curve,
  results_table,
  write_page,
)
from scenetok_jax.io import write_json
from scenetok_jax.types import InputError

VERBS: dict[str, Callable[[Sequence[str]], int]] = {
  "prepare": prepare.main,
  "train": train.main,
  "evaluate": evaluate.main,
  "render": render.main,
  "generate": generate.main,
}
SHIPPED = "checkpoints/rooms"
TRAIN_ROOMS, TEST_ROOMS, FRAMES = 160, 16, 48


def main(argv: Sequence[str] | None = None) -> int:
  """Runs the commands a user would, one after the other, and sums them up."""
  parser = console.parser("quickstart", __doc__ or "")
  parser.add_argument("--out", default="report", help="folder of the results")
  parser.add_argument(
    "--smoke", action="store_true", help="tiny sizes, to see that it runs"
  )
  args = parser.parse_args(argv)
  start = time.monotonic()
  out, repository = Path(args.out), Path(configs.__file__).parent.parent
  shipped = repository / SHIPPED
  if not shipped.is_dir():
    raise InputError(
      f"{shipped}: not found; run the quickstart from a clone of the repository"
    )
  work = out / "work"
  commands = plan(work, out, repository, shipped, args.smoke)
  for number, (title, command) in enumerate(commands, 1):
    elapsed = int(time.monotonic() - start)
    print(
      f"\n[{number}/{len(commands)}, {elapsed // 60}m{elapsed % 60:02d}s]"
      f" {title}\n$ scenetok {shlex.join(command)}",
      flush=True,
    )
    verb, *options = command
    VERBS[verb](options)
  result = summary(work, time.monotonic() - start)
  write_json(out / "quickstart.json", result)
  learning_curve(work / "scratch", out / "from_scratch_loss.png")
  table = results_table(result)
  write_page(out, table)
  print(table)
  print(f"\nPictures are in {out}/ (open index.html).")
  return 0


def plan(
  work: Path, out: Path, repository: Path, shipped: Path, smoke: bool
) -> list[tuple[str, list[str]]]:
  """(what it is, command) of every step."""
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
      "train", f"--config={repository / 'configs' / config}",
      f"--workdir={workdir}", f"--config.data.path={data}", *more,
    ]  # fmt: skip

  def evaluate_with(workdir: str, name: str) -> list[str]:
    return [
      "evaluate", f"--workdir={workdir}", "--protocol=heldout",
      f"--data={data}", f"--json={work / name}.json", f"--out={out / name}",
    ]  # fmt: skip

  scratch_config = "quickstart.py" + (":smoke" if smoke else "")
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
      evaluate_with(str(shipped), "rooms"),
    ),
    (
      "(b) Training a generator on the shipped tokenizer's tokens",
      train_with(
        "rooms.py:generator,quick",
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


def summary(work: Path, seconds: float) -> dict[str, Any]:
  """The keys of report/quickstart.json (docs/evaluation.md)."""
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


if __name__ == "__main__":
  sys.exit(console.run(main))
