"""Every training that the documentation shows is one that would start."""

import subprocess

import numpy as np
import pytest

from data_pipelines.latents import records as latent_records
from data_pipelines.latents import writer
from data_pipelines.latents.identity import codec_identities
from data_pipelines.storage import builders
from scenetok_jax.cli import prepare, train
from scenetok_jax.model import build
from scenetok_jax.workdir.config import load_config
from tests.data_pipelines import clips
from tests.docs.commands import PAGES, ROOT, commands

_DEVICES = 8  # of a laptop or a host
_FRAMES = 96
# Prints what a launcher would train, from the settings before its name.
_LAUNCHER = r"""
launched() {
  printf '%s\0' "--config=$CONFIG" "--workdir=$WORKDIR" \
    "--config.data.path=$DATA" $OVERRIDES
}
"""


def _trainings():
  found = {}
  for page in PAGES:
    for verb, *words in commands(page, ROOT / "docs"):
      if verb == "train":
        found.setdefault(" ".join(words), words)
  return found


def _launched(script):
  """The training that docs/training_clusters.md starts by a launcher."""
  text = (ROOT / "docs" / "training_clusters.md").read_text()
  (block,) = (
    block.partition("```")[0]
    for block in text.split("```sh\n")[1:]
    if f"launch/{script} --dry-run" in block.partition("```")[0]
  )
  block = block.replace(f"launch/{script} --dry-run", "launched")
  done = subprocess.run(
    ["bash", "-c", _LAUNCHER + block],
    capture_output=True, text=True, check=True,
  )  # fmt: skip
  return done.stdout.split("\0")[:-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Small data and runs under the names that the documentation uses."""
  root = tmp_path_factory.mktemp("documented")
  for split, path in (("train", "rooms"), ("test", "rooms")):
    prepare.main(
      ["--dataset=rooms", f"--split={split}", "--scenes=2", "--frames=64",
       "--workers=0", f"--out={root}/data/{path}"]
    )  # fmt: skip
  for name in ("rooms_depth", "mine", "clip", "furnished", "kitchen"):
    (root / "data" / name).symlink_to("rooms")
  for name in ("re10k", "re10k_latents"):
    (root / "data" / name).mkdir()
  for split in ("train", "test"):
    builders.build(
      root / "data" / "re10k",
      clips.plan(2, _FRAMES, 256, image_format="jpeg", split=split),
    )
  (root / "DATA").symlink_to("data/re10k")
  _write_latents(root / "data" / "re10k_latents")
  (root / "runs").mkdir()
  for name in ("runs/rooms", "runs/furnished", "checkpoints"):
    shipped = ROOT / "checkpoints"
    (root / name).symlink_to(shipped / "rooms" if "/" in name else shipped)
  return root


def _write_latents(out):
  """Latents that say to be of the published codecs, whose files are large."""
  config = load_config("configs/scenetok_re10k.py")
  codecs = codec_identities(config, build(config))
  shapes = {"context": (16, 16, 32), "target": (8, 8, 128)}
  rng = np.random.default_rng(0)
  part = writer.PartWriter(out / "part")
  for number in range(2):
    raw = clips.clip(_FRAMES, 1, number)
    latents = {
      name: rng.normal(size=(2, count, *shapes[name])).astype(np.float16)
      for name, count in (("context", _FRAMES), ("target", _FRAMES // 4))
    }
    part.add(
      writer.EncodedLatents(
        key=f"s{number}", cameras=raw.cameras, size=(256, 256), source="test",
        context=latents["context"], target=latents["target"],
      )
    )  # fmt: skip
  part.close({"dropped": []})
  info = {
    "kind": latent_records.KIND,
    "report": {
      "seen": 2,
      "kept": 2,
      "frames": 2 * _FRAMES,
      "dropped": [],
      "warnings": [],
    },
    "codecs": {
      name: {
        **codecs[name],
        latent_records.WEIGHTS: "a" * 64,
        "dtype": "float16",
        "shape": shapes[name],
        "chunk": latent_records.CHUNKS[name],
      }
      for name in shapes
    },
    "flipped": True,
  }
  writer.merge([out / "part"], out / "train", "train", info)


def _check(folder, words, monkeypatch, capsys):
  """The whole check, but for files of published codecs, which are large."""
  monkeypatch.chdir(folder)
  (folder / "configs").unlink(missing_ok=True)
  (folder / "configs").symlink_to(ROOT / "configs")
  words = [word for word in words if ".weights=" not in word]
  # A new run: what stands under its name here is for those that start from it.
  words = [w.replace("--workdir=runs/", "--workdir=runs/new_") for w in words]
  # A full-size stage 1 would be a file of gigabytes.
  whole = "--config.tokenizer_from=runs/re10k" not in words
  check = f"--dry-run={'all' if whole else 'config'}"
  assert not train.main([*words, check, f"--devices={_DEVICES}"])
  assert ("parameters to train" if whole else "mesh") in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("line", _trainings())
def test_a_documented_training_would_start(folder, line, monkeypatch, capsys):
  _check(folder, _trainings()[line], monkeypatch, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("script", ["slurm.sbatch", "tpu_queued.sh"])
def test_latents_of_a_launched_training_need_no_codec_weights(
  folder, script, monkeypatch, capsys
):
  words = _launched(script)
  assert any(word.startswith("--config.data.latents=") for word in words)
  assert not any(".weights=" in word for word in words)
  for shared in ("/shared/", "/mnt/bucket/"):
    words = [word.replace(f"{shared}re10k", "data/re10k") for word in words]
    words = [word.replace(f"{shared}runs", "runs") for word in words]
  words = [word for word in words if ".mesh." not in word]
  _check(folder, words, monkeypatch, capsys)
