"""The quickstart: what it runs, and what it sums up."""

import json
import shlex
from pathlib import Path
from typing import Any

from scenetok_jax.workdir import builtin

WORK = "work"
# A title and a command, as a user would type it. The generator must keep the
# shipped tokenizer's sizes: of its tiny form only steps shrink.
_STEPS = """
Making rooms to train on
prepare --dataset=rooms --split=train --scenes={rooms} --frames=48 --out={data}

Making rooms that no model has seen
prepare --dataset=rooms --split=test --scenes={tests} --frames=48 --out={data}

(a) From scratch: tokenizer and renderer
train --config={config} --workdir={work}/scratch --config.data.path={data}

(a) Scoring the model from scratch
evaluate --workdir={work}/scratch --protocol=heldout --data={data}
--json={work}/scratch.json --out={out}/scratch

(b) Scoring the shipped checkpoint
evaluate --workdir={shipped} --protocol=heldout --data={data}
--json={work}/rooms.json --out={out}/rooms

(b) Training a generator on the shipped tokenizer's tokens
train --config=rooms:generator,quick --workdir={work}/generator
--config.data.path={data} --config.tokenizer_from={shipped} {brief}

(b) Rendering an unseen room along its walk
render --workdir={shipped} --data={data} --split=test --scene=0
--trajectory=clip --out={out}/render

(b) Generating a room from one image
generate --workdir={work}/generator --data={data} --split=test --scene=1
--views 0 --frames=24 --out={out}/generate
"""
_BRIEF = "--config.train.total_steps=2 --config.optimizer.warmup_steps=1"


def commands(out: Path, smoke: bool) -> list[tuple[str, list[str]]]:
  """(what it is, command) of every step, as a user would type it.

  Data and runs go to out/work. smoke: tiny sizes, to see that it runs.
  """
  folders = {
    "out": out,
    "work": out / WORK,
    "data": out / WORK / "rooms",
    "shipped": builtin.workdir("checkpoints/rooms"),
  }
  quoted = {name: shlex.quote(str(path)) for name, path in folders.items()}
  sizes: dict[str, Any] = {"rooms": 160, "tests": 16, "config": "quickstart"}
  if smoke:
    sizes = {"rooms": 4, "tests": 2, "config": "quickstart:smoke"}
  text = _STEPS.format(**quoted, **sizes, brief=_BRIEF if smoke else "")
  steps = [step.split("\n", 1) for step in text.strip().split("\n\n")]
  return [(title, shlex.split(command)) for title, command in steps]


def summary(out: Path, seconds: float) -> dict[str, Any]:
  """The keys of report/quickstart.json (docs/evaluation.md)."""
  work = out / WORK
  shipped, scratch = (
    json.loads((work / name).read_text())
    for name in ("rooms.json", "scratch.json")
  )
  lines = (work / "scratch" / "metrics.jsonl").read_text().splitlines()
  losses = [json.loads(line)["loss"] for line in lines]
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
