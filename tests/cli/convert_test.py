"""`scenetok convert`: in, out, in part, and refusals of one line."""

import json
import pickle

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from scenetok_jax import console
from scenetok_jax.cli import convert
from scenetok_jax.codecs import registry
from scenetok_jax.codecs.convert import codec_network, codec_table
from scenetok_jax.convert.engine import export_tensors, flatten, manifest
from scenetok_jax.metrics.loading import load_metric, missing
from scenetok_jax.metrics.registry import get_network
from scenetok_jax.model import build, init_stage1
from scenetok_jax.workdir import release
from scenetok_jax.workdir.checkpoint import latest_step, restore_params
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.stored_config import load_stored_config
from tests.goldens import load_case
from tests.networks import assert_same, normals

CONFIG = "configs/scenetok_re10k.py:smoke"


def run(*argv):
  return console.run(convert.main, [str(a) for a in argv], "convert")


@pytest.fixture(scope="module")
def tensors():
  """A checkpoint of the smoke networks under the release's names."""
  config = load_config(CONFIG)
  model = build(config)
  shapes = jax.eval_shape(
    lambda key: init_stage1(model, key), jax.random.key(0)
  )
  leaves, tree = jax.tree.flatten(shapes)
  params = tree.unflatten(
    [normals(i, *leaf.shape) for i, leaf in enumerate(leaves)]
  )
  return {
    name: np.ascontiguousarray(tensor)
    for key, table in release.tables(model, config.stage).items()
    for name, tensor in export_tensors(params[key], table)
  }


@pytest.fixture(scope="module")
def source(tensors, tmp_path_factory):
  path = tmp_path_factory.mktemp("source") / "model.safetensors"
  save_file(tensors, path, metadata={"step": "150000"})
  return path


@pytest.fixture(scope="module")
def workdir(source, tmp_path_factory):
  out = tmp_path_factory.mktemp("converted") / "run"
  assert run("--config", CONFIG, "--source", source, "--out", out) == 0
  return out


def test_an_imported_checkpoint_is_a_workdir(workdir):
  assert latest_step(workdir) == 150_000
  assert load_stored_config(workdir)["stage"] == "tokenizer"
  assert set(restore_params(workdir)) == {"tokenizer", "decoder"}


def test_export_returns_the_file_exactly(workdir, tensors, tmp_path):
  out = tmp_path / "again.safetensors"
  assert run("--export", "--workdir", workdir, "--out", out) == 0
  assert_same(load_file(out), tensors, 0)


def test_a_lightning_checkpoint_and_back(workdir, tensors, tmp_path):
  torch = pytest.importorskip("torch", reason="torch files: extra [convert]")
  out, again = tmp_path / "model.ckpt", tmp_path / "again"
  assert run("--export", "--workdir", workdir, "--out", out) == 0
  loaded = torch.load(out, weights_only=True)
  assert loaded["global_step"] == 150_000
  assert loaded["state_dict"].keys() == tensors.keys()
  assert run("--config", CONFIG, "--source", out, "--out", again) == 0
  assert latest_step(again) == 150_000
  assert_same(restore_params(again), restore_params(workdir), 0)


def test_averages_are_told_of_and_taken_by_ema(
  workdir, tensors, tmp_path, capsys
):
  path, out, again = tmp_path / "x.safetensors", tmp_path / "a", tmp_path / "b"
  averages = {f"ema_state_dict.{n}": 2 * x for n, x in tensors.items()}
  save_file({f"model.{n}": x for n, x in tensors.items()} | averages, path)
  assert run("--config", CONFIG, "--source", path, "--out", out) == 0
  told = f"{len(tensors)} averaged tensors of {path} ignored; --ema takes them"
  assert told in capsys.readouterr().out
  assert_same(restore_params(out), restore_params(workdir), 0)
  argv = ("--config", CONFIG, "--source", path, "--out", again, "--ema")
  assert run(*argv) == 0
  assert "ignored" not in capsys.readouterr().out
  doubled = jax.tree.map(lambda x: 2 * x, restore_params(workdir))
  assert_same(restore_params(again), doubled, 0)


def test_buffers_that_torch_rounded_otherwise_come_back(tensors, tmp_path):
  name = "compressor.feat_rope.freqs_cos"
  path, out = tmp_path / "x.safetensors", tmp_path / "run"
  save_file({**tensors, name: tensors[name] + np.float32(1e-6)}, path)
  assert run("--config", CONFIG, "--source", path, "--out", out) == 0
  again = tmp_path / "again.safetensors"
  assert run("--export", "--workdir", out, "--out", again) == 0
  assert_same(load_file(again), load_file(path), 0)


def test_a_null_token_in_the_file_is_kept(tensors, tmp_path):
  name = "denoiser.null_tokens"
  path, out = tmp_path / "x.safetensors", tmp_path / "run"
  save_file({**tensors, name: np.full((1, 1, 32), 2, np.float32)}, path)
  assert run("--config", CONFIG, "--source", path, "--out", out) == 0
  assert load_stored_config(out)["decoder"]["null_token"]
  assert (restore_params(out)["decoder"]["null_tokens"] == 2).all()


@pytest.mark.slow
def test_partial_takes_what_fits_and_reports_the_rest(
  source, tensors, tmp_path, capsys
):
  out, report = tmp_path / "run", tmp_path / "report.json"
  spec = (f"--config={CONFIG}", "--config.tokenizer.num_tokens=12")
  assert run(*spec, "--source", source, "--out", out) == 2
  assert "import it partially" in capsys.readouterr().err
  more = ("--config.tokenizer.token_channels=6", "--partial", "--json", report)
  assert run(*spec, *more, "--source", source, "--out", out) == 0
  told = json.loads(report.read_text())["partial"]
  assert told["tokenizer"]["scene_tokens_copied"] == 8
  assert set(told["tokenizer"]["reinitialised"]) == {
    "out_proj.0.weight",
    "out_proj.0.bias",
  }
  assert told["decoder"]["reinitialised"] == ["cnd_proj.weight"]
  params = flatten(restore_params(out))
  np.testing.assert_array_equal(
    params["tokenizer/scene_tokens"][:8], tensors["compressor.scene_tokens"][0]
  )
  assert np.isfinite(params["tokenizer/scene_tokens"]).all()
  assert "first 8 scene tokens copied" in capsys.readouterr().out


def _missing(tensors):
  tensors.pop("denoiser.cnd_proj.bias")


def _transposed(tensors):
  name = "denoiser.cnd_proj.weight"
  tensors[name] = np.ascontiguousarray(tensors[name].T)


def _not_a_number(tensors):
  name = "compressor.y_embed.proj.bias"
  tensors[name] = tensors[name] * np.float32(np.nan)


def _unknown(tensors):
  tensors["discriminator.weight"] = np.zeros(1, np.float32)


@pytest.mark.parametrize(
  "damage, message",
  [
    (_missing, "1 missing (denoiser.cnd_proj.bias)"),
    (_transposed, "denoiser.cnd_proj.weight is [8, 32], the model's [32, 8]"),
    (_not_a_number, "1 not finite (compressor.y_embed.proj.bias)"),
    (_unknown, "1 of unknown name (discriminator.weight)"),
  ],
)
def test_a_damaged_checkpoint_is_refused_in_one_line(
  tensors, tmp_path, capsys, damage, message
):
  tensors = dict(tensors)
  damage(tensors)
  path, out = tmp_path / "x.safetensors", tmp_path / "run"
  save_file(tensors, path)
  assert run("--config", CONFIG, "--source", path, "--out", out) == 2
  error = capsys.readouterr().err.strip()
  assert str(path) in error and message in error and "\n" not in error
  assert not out.exists()


class Malicious:
  def __reduce__(self):
    return (print, ("this must not run",))


def test_code_in_a_checkpoint_never_runs(tmp_path, capsys):
  pytest.importorskip("torch", reason="torch files: extra [convert]")
  path = tmp_path / "x.ckpt"
  path.write_bytes(pickle.dumps({"state_dict": Malicious()}))
  assert run("--config", CONFIG, "--source", path, "--out", tmp_path / "o") == 2
  out, error = capsys.readouterr()
  assert "this must not run" not in out and error.count("\n") == 1
  assert str(path) in error


def test_a_truncated_checkpoint_is_refused(source, tmp_path, capsys):
  path = tmp_path / "x.safetensors"
  path.write_bytes(source.read_bytes()[:5000])
  assert run("--config", CONFIG, "--source", path, "--out", tmp_path / "o") == 2
  assert "not a whole safetensors file" in capsys.readouterr().err


def test_nothing_is_overwritten(workdir, source, capsys):
  assert run("--config", CONFIG, "--source", source, "--out", workdir) == 2
  assert "exists; delete it" in capsys.readouterr().err


@pytest.mark.parametrize(
  "argv, message",
  [
    (["--out", "x"], "--source: not given"),
    (["--out", "x", "--source", "y"], "--config: not given"),
    (["--export", "--out", "x.ckpt"], "--source: not given"),
    (["--metric", "fvd_i3d", "--out", "x"], "name rgb_imagenet.pt (github"),
    (["--codec", "va_vae", "--out", "x"], "name vavae-imagenet256-f16d32-din"),
    (
      ["--codec", "va_vae", "--out", "x", "--source", "y", "z"],
      "--source: 2 files given; give one",
    ),
    (
      ["--codec", "va_vae", "--out", "x", "--source", "no.pt"],
      "no.pt: cannot be read (No such file",
    ),
  ],
)
def test_what_is_not_given_is_named(argv, message, capsys):
  assert run(*argv) == 2
  assert message in capsys.readouterr().err


def test_another_codec_s_file_is_refused(tmp_path, capsys):
  path = load_case("vavae_small").path / "weights.safetensors"
  assert run("--codec=wan_vae", "--source", path, "--out", tmp_path / "c") == 2
  assert "not the wan_vae codec" in capsys.readouterr().err


def test_another_metric_s_file_is_refused(source, tmp_path, capsys):
  out = tmp_path / "metric"
  assert run("--metric=fvd_i3d", "--source", source, "--out", out) == 2
  assert str(source) in capsys.readouterr().err


@pytest.mark.parametrize(
  "argv",
  [
    pytest.param(("--codec", "va_vae"), marks=pytest.mark.slow),
    ("--metric", "lpips_vgg"),
  ],
)
def test_published_sizes_are_counted(tmp_path, capsys, argv):
  """Full size, from files with the publishers' names."""
  name, out = argv[1], tmp_path / "out"
  if name == "va_vae":
    entry = registry.published(name)
    shapes = codec_network(name).shapes()
    found = manifest(codec_table(name), shapes)
    tensors = {n: np.zeros(e.shape, np.float32) for n, e in found.items()}
    # What the published file holds beside the codec.
    tensors["loss.logvar"] = np.zeros(1, np.float32)
    groups = {"vavae-imagenet256-f16d32-dinov2": tensors}
  else:
    entry = get_network(name)
    found = manifest(entry.table(), entry.shapes())
    heads, vgg = {}, {"classifier.6.bias": np.zeros(9, np.float32)}
    for key, value in found.items():
      kind = heads if key.startswith("lin") else vgg
      kind[key] = np.ones(value.shape, np.float32)
    groups = {"vgg16-397923af": vgg, "vgg": heads}
  sources = [tmp_path / f"{file}.safetensors" for file in groups]
  for path, tensors in zip(sources, groups.values(), strict=True):
    save_file(tensors, path)
  report = tmp_path / "report.json"
  assert run(*argv, "--source", *sources, "--out", out, "--json", report) == 0
  told = json.loads(report.read_text())
  assert told["tensors"] == entry.tensors
  assert told["parameters"] == entry.parameters
  assert f"{entry.parameters:,} parameters" in capsys.readouterr().out


def test_lpips_converts_from_the_installed_package(tmp_path, capsys):
  reason = missing("lpips")
  if reason:
    pytest.skip(f"needs the extra [metrics]: {reason}")
  out = tmp_path / "lpips_vgg"
  assert run("--metric", "lpips_vgg", "--out", out) == 0
  assert "31 tensors, 14,716,160 parameters" in capsys.readouterr().out
  assert load_metric("lpips", tmp_path).sha256 == (load_metric("lpips").sha256)
