"""What "auto" becomes, on which devices, and what a workdir keeps of it."""

import dataclasses

import jax
import pytest

from data_pipelines.loading import loader
from scenetok_jax.model import build
from scenetok_jax.ops.compute import Compute
from scenetok_jax.parallel.mesh import make_mesh
from scenetok_jax.train import auto, forecast
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.stored_config import store_config
from tests.train.forecast_test import traced_once  # noqa: F401


@dataclasses.dataclass(frozen=True)
class Device:
  """What is asked of a device."""

  platform: str
  compute_capability: str = ""


TPU = Device("tpu")
H100, V100 = Device("gpu", "9.0"), Device("gpu", "7.0")
AMD, B200 = Device("gpu", "gfx90a"), Device("gpu", "10.0")
HEADS = "--config.decoder.heads=8"  # of 4, where the others' are of 16


def rooms(*overrides):
  return load_config("rooms:smoke", overrides)


def test_published_configurations_leave_all_to_the_devices():
  config = load_config("scenetok_re10k")
  assert {config.dtype, config.remat, config.attention} == {"auto"}
  assert set(config.mesh.values()) == {0} and config.data.workers == -1


@pytest.mark.parametrize(
  "device, overrides, wanted",
  [
    (Device("cpu"), [], ("float32", "xla")),
    (TPU, [], ("bfloat16", "splash")),
    (H100, [], ("bfloat16", "cudnn")),
    (B200, [], ("bfloat16", "cudnn")),
    (V100, [], ("bfloat16", "xla")),
    (AMD, [], ("bfloat16", "xla")),
    (H100, ["--config.dtype=float32"], ("float32", "xla")),
    (H100, ["--config.attention=xla"], ("bfloat16", "xla")),
    (H100, [HEADS], ("bfloat16", "xla")),
    (Device("cpu"), ["--config.dtype=bfloat16"], ("bfloat16", "xla")),
  ],
)
def test_dtype_and_attention_suit_the_device(device, overrides, wanted, capsys):
  config = rooms(*overrides)
  found = auto.with_compute(config, device)
  assert (found.dtype, found.attention) == wanted
  assert config.attention in ("auto", "xla"), "the original stays"
  # What a GPU must do without is told, in one line.
  auto_xla = (config.attention, found.attention) == ("auto", "xla")
  told = device.platform == "gpu" and auto_xla
  err = capsys.readouterr().err
  assert err.count("\n") == told
  assert err.startswith("auto: attention=xla, for cudnn has no ") == told


def test_said_values_need_no_device():
  said = [f"--config.{x}" for x in ("dtype=bfloat16", "attention=xla")]
  assert Compute.of(rooms(*said), lambda: pytest.fail("asked")).remat == "none"


def test_on_cpus_all_is_plain():
  found = auto.resolve(rooms())
  assert (found.dtype, found.remat, found.attention) == (
    "float32", "none", "xla",
  )  # fmt: skip
  assert found.mesh.to_dict() == {
    "data": -1, "fsdp": 1, "tensor": 1, "sequence": 1,
  }  # fmt: skip
  assert auto.resolve(found) == found
  assert auto.resolve(rooms("--config.data.workers=auto")).data.workers == (
    loader.count_workers(-1)
  )
  without_a_run = build(rooms())
  assert without_a_run.tokenizer == build(found).tokenizer


def test_what_is_said_stays():
  said = ["--config.dtype=bfloat16", "--config.remat=full",
          "--config.mesh.fsdp=4"]  # fmt: skip
  found = auto.resolve(rooms(*said))
  assert (found.dtype, found.remat) == ("bfloat16", "full")
  assert make_mesh(found.mesh.to_dict()).devices.shape == (2, 4, 1, 1)


def test_a_run_that_goes_on_keeps_its_dtype(tmp_path):
  first = rooms("--config.dtype=bfloat16")
  store_config(tmp_path, auto.resolve(first, tmp_path).to_dict())
  assert auto.resolve(rooms(), tmp_path).dtype == "bfloat16"
  assert auto.resolve(rooms("--config.dtype=float32"), tmp_path).dtype == (
    "float32"
  )
  assert auto.resolve(rooms(), tmp_path / "other").dtype == "float32"


def test_the_first_candidate_that_fits_is_taken(monkeypatch, capsys):
  meshes = [{"data": 8 // n, "fsdp": n} for n in (1, 4)]
  made = [
    forecast.Candidate(mesh, policy, steps, size)
    for steps, policy, mesh, size in (
      (1, "dots", meshes[0], 9.5),
      (1, "dots", meshes[1], 8.5),
      (1, "full", meshes[0], 1.0),
      (2, "full", meshes[1], 0.5),
    )
  ]
  monkeypatch.setattr(forecast, "candidates", lambda *_: iter(made))
  found = auto.with_place(rooms(), jax.devices(), 10.0)
  assert (found.remat, found.mesh.fsdp) == ("dots", 4)
  found = auto.with_place(rooms(), jax.devices(), 9.0)
  assert (found.remat, found.mesh.fsdp) == ("full", 1)
  assert not capsys.readouterr().err
  # Micro-batches would change what a step draws.
  found = auto.with_place(rooms(), jax.devices(), 1.0)
  assert (found.remat, found.train.accumulate) == ("full", 1)
  assert capsys.readouterr().err


def test_where_nothing_fits_the_smallest_is_tried_and_told(capsys):
  config = auto.with_compute(rooms(), TPU)
  found = auto.with_place(config, jax.devices()[:8], 1 << 16)
  assert found.remat == "full" and found.mesh.fsdp == 8
  told = capsys.readouterr().err
  assert told.count("\n") == 1 and "has 0.06 MiB" in told
  assert "--config.train.accumulate=2" in told
