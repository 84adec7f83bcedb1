"""A workdir goes on only with the config that made it."""

import json

import pytest

from scenetok_jax.types import InputError
from scenetok_jax.workdir import fields
from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.stored_config import (
  compare_config,
  load_stored_config,
  store_config,
)

CONFIG = {
  "seed": 1,
  "data": {"split": "a", "workers": 2},
  "train": {"total_steps": 10},
  "model": {"sizes": (1, 2)},
}


def rooms(*values):
  return load_config("rooms:smoke", [f"--config.{value}" for value in values])


def changed(**values):
  config = json.loads(json.dumps(CONFIG))
  for name, value in values.items():
    section, field = name.split("__")
    config[section][field] = value
  return config


def test_a_config_that_is_a_list_is_refused(tmp_path):
  (tmp_path / "config.json").write_text("[1, 2]")
  for read in (load_stored_config, lambda path: store_config(path, CONFIG)):
    with pytest.raises(InputError, match=r"config\.json: holds a list, not an"):
      read(tmp_path)
  assert (tmp_path / "config.json").read_text() == "[1, 2]"


def test_same_config_passes_and_free_fields_may_change(tmp_path, capsys):
  store_config(tmp_path, CONFIG)
  store_config(tmp_path, CONFIG)
  assert not capsys.readouterr().err
  store_config(tmp_path, changed(train__total_steps=20))
  told = f"{tmp_path}: since the last start train.total_steps was 10, is 20\n"
  assert capsys.readouterr().err == told
  store_config(tmp_path, changed(data__workers=0))
  assert load_stored_config(tmp_path)["model"]["sizes"] == [1, 2]


def test_auto_is_whatever_is_stored(tmp_path):
  stored = rooms("dtype=bfloat16", "remat=full", "mesh.fsdp=4")
  store_config(tmp_path, fields.plain(stored).to_dict())
  assert not compare_config(tmp_path, rooms().to_dict())
  for plain in (fields.plain(rooms()), rooms("dtype=float32")):
    with pytest.raises(InputError, match="dtype is bfloat16 there, float32"):
      compare_config(tmp_path, plain.to_dict())
  other = rooms("mesh.fsdp=2", "remat=dots").to_dict()
  told = "mesh.fsdp was 4, is 2; remat was full, is dots"
  assert compare_config(tmp_path, other) == told


def test_another_config_is_refused_and_nothing_overwritten(tmp_path):
  store_config(tmp_path, CONFIG)
  before = (tmp_path / "config.json").read_bytes()
  with pytest.raises(InputError, match=r"data\.split is a there, b here"):
    store_config(tmp_path, changed(data__split="b"))
  with pytest.raises(InputError, match=r"model\.depth is absent there, 3"):
    store_config(tmp_path, changed(model__depth=3))
  assert (tmp_path / "config.json").read_bytes() == before
  assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_unreadable_or_absent_config_is_one_clear_line(tmp_path):
  with pytest.raises(InputError, match="not found"):
    load_stored_config(tmp_path)
  (tmp_path / "config.json").write_text("{")
  with pytest.raises(InputError, match="not valid JSON"):
    store_config(tmp_path, CONFIG)
  assert (tmp_path / "config.json").read_text() == "{"


@pytest.mark.faults("an unwritable workdir")
def test_workdir_that_cannot_be_made_is_refused(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(InputError, match="cannot be made"):
    store_config(tmp_path / "file" / "run", CONFIG)
