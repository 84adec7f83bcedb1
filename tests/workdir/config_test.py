"""Configs load with typed overrides; every mistake is one clear line."""

import re
from pathlib import Path

import pytest

from scenetok_jax.model import build
from scenetok_jax.types import InputError
from scenetok_jax.workdir.config import load_config

_CONFIGS = [
  file
  for file in sorted((Path(__file__).parents[2] / "configs").glob("*.py"))
  if "def get_config" in file.read_text()
]
_FILE = """
import ml_collections

def get_config(variant=""):
  if variant not in ("", "smoke"):
    raise ValueError(f"{variant!r} is none of smoke")
  config = ml_collections.ConfigDict({
    "seed": 0,
    "data": {"path": "rooms", "size": 32, "flip": True},
    "train": {"total_steps": 100, "rate": 0.1, "betas": (0.9, 0.99)},
    "nothing": None,
    "limit": ml_collections.config_dict.placeholder(int),
  })
  config.train.warmup = config.train.get_ref("total_steps") // 10
  if variant:
    config.train.total_steps = 2
  return config
"""


@pytest.fixture
def path(tmp_path):
  file = tmp_path / "rooms.py"
  file.write_text(_FILE)
  return str(file)


@pytest.mark.parametrize(
  ("lines", "told"),
  [
    ("config.sampling.stepz = 3", r"config.sampling.stepz: .* sampling.steps?"),
    ("config.wobble = 3", "config.wobble: nothing reads this field"),
    ("config.train.more = {'x': 1}", "config.train.more: nothing reads"),
  ],
)
def test_a_field_that_nothing_reads_is_refused(tmp_path, lines, told):
  file = tmp_path / "mine.py"
  file.write_text(
    "from scenetok_jax.configs import rooms\n"
    "def get_config(variant=''):\n"
    f"  config = rooms.get_config(variant)\n  {lines}\n  return config\n"
  )
  assert re.search(told, _message(f"{file}:smoke"))


def test_a_file_may_set_the_logits_of_its_levels(tmp_path):
  file = tmp_path / "mine.py"
  file.write_text(
    "from scenetok_jax.configs import rooms\n"
    "def get_config(variant=''):\n"
    "  config = rooms.get_config(variant)\n"
    "  config.flow.update({'mean': 0.5, 'deviation': 2.0})\n"
    "  return config\n"
  )
  assert load_config(str(file)).flow.mean == 0.5


@pytest.mark.parametrize(
  ("name", "field"),
  [("tokenizer", "wobble"), ("decoder", "heds"), ("codecs.target", "wobble")],
)
def test_an_unknown_field_of_a_network_is_refused(name, field):
  config = load_config("rooms:smoke")
  with config.unlocked():
    block = config
    for part in name.split("."):
      block = block[part]
    block[field] = 3
  with pytest.raises(InputError, match=f"config.{name}: nothing .* {field};"):
    build(config)


def test_every_preset_field_is_read_somewhere():
  root = Path(__file__).parents[2]
  sources = "\n".join(
    file.read_text()
    for package in ("scenetok_jax", "data_pipelines")
    for file in (root / package).rglob("*.py")
  )
  for name in load_config("scenegen_re10k").to_dict()["train"]:
    assert re.search(rf"""\.{name}\b|"{name}\"""", sources), name


def _message(spec, *overrides):
  with pytest.raises(InputError) as caught:
    load_config(spec, overrides)
  message = str(caught.value)
  assert "\n" not in message
  assert ".py" in message, "the file is named"
  return message


def test_loads_file_variant_and_overrides(path):
  assert load_config(path).train.total_steps == 100
  config = load_config(
    f"{path}:smoke",
    [
      "--config.data.path=clips=1",
      "--config.train.rate=2",
      "--config.train.betas=(0.5,0.6)",
      "--config.data.flip=false",
      "--config.limit=5",
      "--config.seed",
      "7",
    ],
  )
  assert config.train.total_steps == 2
  assert config.data.path == "clips=1"
  assert config.train.rate == 2.0 and type(config.train.rate) is float
  assert config.train.betas == (0.5, 0.6)
  assert config.data.flip is False
  assert config.limit == 5
  assert config.seed == 7


def test_auto_is_a_word_for_meshes_and_workers_too():
  given = ["--config.mesh.fsdp=4", "--config.data.workers=3"]
  config = load_config("rooms:smoke", given)
  assert config.mesh.fsdp == 4 and config.data.workers == 3
  words = ["--config.mesh=auto", "--config.data.workers=auto"]
  config = load_config("rooms:smoke", [*given, *words])
  assert set(config.mesh.values()) == {0} and config.data.workers == -1
  assert load_config("rooms:smoke", ["--config.dtype=auto"]).dtype == "auto"
  with pytest.raises(InputError, match="batch_size: invalid literal"):
    load_config("rooms:smoke", ["--config.data.batch_size=auto"])


def test_derived_values_follow_an_override(path):
  config = load_config(path, ["--config.train.total_steps=500"])
  assert config.train.warmup == 50


def test_config_is_locked(path):
  config = load_config(path)
  with pytest.raises((AttributeError, KeyError)):
    config.train.total_stepz = 3


def test_loading_twice_starts_afresh(path):
  load_config(path, ["--config.seed=3"])
  assert load_config(path).seed == 0


def test_missing_file_suggests_a_near_one(path):
  message = _message(path.replace("rooms", "room"))
  assert "room.py: no such config file; did you mean" in message
  assert "rooms.py?" in message


def test_missing_folder(tmp_path):
  message = _message(str(tmp_path / "none" / "x.py"))
  assert "give a path, or a built-in one of" in message and "rooms" in message


def test_a_built_in_one_is_named_without_its_folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert load_config("rooms:smoke").train.total_steps == 2
  with pytest.raises(InputError, match=r"did you mean rooms\?"):
    load_config("roms")


def test_a_fork_elsewhere_builds_on_ours_beside_another_configs(
  tmp_path, monkeypatch
):
  (tmp_path / "configs").mkdir()
  (tmp_path / "configs" / "__init__.py").write_text("raise RuntimeError")
  fork = tmp_path / "mine.py"
  fork.write_text(
    "from scenetok_jax.configs import rooms\n\n\n"
    "def get_config(variant=''):\n"
    "  config = rooms.get_config(variant)\n"
    "  config.seed = 7\n"
    "  return config\n"
  )
  monkeypatch.chdir(tmp_path)
  monkeypatch.syspath_prepend(str(tmp_path))
  assert load_config("mine.py:smoke").seed == 7


def test_unknown_variant_names_it(path):
  message = _message(f"{path}:smokee")
  assert "variant 'smokee'" in message and "none of smoke" in message


@pytest.mark.parametrize(
  "content, part",
  [
    ("x = (", "SyntaxError"),
    ("x = 1", "get_config"),
    ("def get_config(): pass", "returned NoneType"),
    ("def get_config(): return {}", "returned dict"),
    ("import no_such_module_here", "no_such_module_here"),
  ],
)
def test_broken_config_file(tmp_path, content, part):
  (tmp_path / "x.py").write_text(content)
  assert part in _message(str(tmp_path / "x.py"))


@pytest.mark.parametrize(
  "override, near",
  [
    ("--config.train.total_step=3", "--config.train.total_steps?"),
    ("--config.total_steps=3", "--config.train.total_steps?"),
    ("--config.dataa.path=x", "--config.data.path?"),
    ("--config.train.rate.x=1", "--config.train.rate?"),
    ("--config.data.zzz=1", "data has flip, path, size"),
    ("--config.zzz=1", "the config has data, limit, nothing, seed, train"),
  ],
)
def test_unknown_field_suggests_the_nearest(path, override, near):
  message = _message(path, override)
  field = override.removeprefix("--config.").partition("=")[0]
  assert f"field {field!r} does not exist" in message
  assert near in message


@pytest.mark.parametrize(
  "override, expected",
  [
    ("--config.seed=x", "seed: invalid literal"),
    ("--config.seed=x", "expected int such as 0"),
    ("--config.train.total_steps=1.5", "expected int such as 100"),
    ("--config.train.rate=fast", "expected float such as 0.1"),
    ("--config.data.flip=maybe", "expected bool such as True"),
    ("--config.seed", "seed: Missing value"),
    ("--config.train=3", "set one of its fields: betas, rate"),
    ("--config.limit=few", "limit: invalid literal for int() with base 10"),
    ("--config.limit=few", "; expected int"),
    ("--config.nothing=3", "edit the config file"),
  ],
)
def test_wrong_value_names_field_and_type(path, override, expected):
  assert expected in _message(path, override)


def test_wrong_value_names_the_right_one_of_several_fields(path):
  message = _message(path, "--config.data.size=3", "--config.seed=x")
  assert ": seed: " in message


@pytest.mark.parametrize("argument", ["--bogus=1", "stray"])
def test_unknown_arguments_are_refused(path, argument):
  with pytest.raises(InputError, match=argument):
    load_config(path, [argument])


@pytest.mark.parametrize("file", _CONFIGS, ids=lambda file: file.stem)
def test_every_config_of_the_repository_loads(file):
  config = load_config(str(file), ["--config.seed=5"])
  assert config.seed == 5 and config.is_locked


@pytest.mark.parametrize("file", _CONFIGS, ids=lambda file: file.stem)
def test_every_variant_of_every_config_loads(file):
  with pytest.raises(InputError, match="this config has") as caught:
    load_config(f"{file}:no-such-variant")
  variants = re.findall(r"'([^']+)'", str(caught.value).split("config has")[1])
  assert {"smoke", "embedded"} <= set(variants)
  for variant in variants:
    # Stage 2 alone has a shrunk form.
    variant = "generator,quick" if variant == "quick" else variant
    assert load_config(f"{file}:{variant}").is_locked
    smoke = load_config(f"{file}:{variant},smoke")
    assert smoke.train.total_steps == 2 and smoke.train.log_every == 1


def test_a_scaled_learning_rate_follows_the_batch_size():
  folder = Path(__file__).parents[2] / "configs"
  spec = f"{folder}/scenetok_dl3dv_videodc.py:scratch"
  assert load_config(spec).optimizer.learning_rate == pytest.approx(1e-5)
  config = load_config(spec, ["--config.data.batch_size=640"])
  assert config.optimizer.learning_rate == pytest.approx(1e-4)
