"""A model's digest is hashed once, and never trusted when files changed."""

import json
import os

import pytest

from scenetok_jax import SceneTok
from scenetok_jax.convert.compact import load_compact, save_compact
from scenetok_jax.inference import identity
from scenetok_jax.sampling.scene_file import model_digest
from tests.cli import workdirs


@pytest.fixture
def folder(tmp_path, monkeypatch):
  monkeypatch.setattr(identity, "_REMEMBERED", 0)
  return workdirs.stage1(tmp_path / "stage1")


@pytest.fixture
def hashed(monkeypatch):
  """Counts how often parameters are hashed."""
  calls = []

  def count(params):
    calls.append(params)
    return model_digest(params)

  monkeypatch.setattr(identity, "model_digest", count)
  return calls


def opened_digest(folder):
  model = SceneTok.from_pretrained(folder)
  assert model.digest == model_digest(model.params)
  return model.digest


def test_it_is_hashed_once(folder, hashed):
  assert opened_digest(folder) == opened_digest(folder)
  assert len(hashed) == 1
  stored = json.loads((folder / identity.DIGEST_FILE).read_text())
  assert set(stored) == {"model", "stamp"}


def test_another_checkpoint_is_hashed_again(folder, hashed):
  before = opened_digest(folder)
  file = folder / "params.safetensors"
  params, step = load_compact(file)
  params["tokenizer"]["scene_tokens"] += 1
  save_compact(file, params, step)
  os.utime(file, (1, 1))
  assert opened_digest(folder) != before
  assert len(hashed) == 2


def test_a_broken_file_is_replaced(folder, hashed):
  for broken in ("", "[]", "{}", '{"stamp": 1}'):
    (folder / identity.DIGEST_FILE).write_text(broken)
    opened_digest(folder)
  assert len(hashed) == 4
  opened_digest(folder)
  assert len(hashed) == 4


def test_changed_parameters_are_not_looked_up(folder):
  model = SceneTok.from_pretrained(folder)
  before = model.digest
  params = {**model.params, "tokenizer": model.params["decoder"]}
  assert identity.identity(params, model.origin) != before


def test_a_folder_to_read_only_is_no_hindrance(folder, hashed, monkeypatch):
  def refuse(path, value):
    raise identity.InputError("cannot be written")

  monkeypatch.setattr(identity, "write_json", refuse)
  assert opened_digest(folder) == opened_digest(folder)
  assert len(hashed) == 2


def test_a_small_model_leaves_no_file(folder, monkeypatch):
  monkeypatch.setattr(identity, "_REMEMBERED", 1 << 28)
  opened_digest(folder)
  assert not (folder / identity.DIGEST_FILE).exists()
