"""Models go to the hub and come back bit for bit, through its HTTP."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from scenetok_jax import SceneTok
from scenetok_jax.cli import main as scenetok
from scenetok_jax.convert.compact import PARAMS_FILE
from scenetok_jax.sampling.digest import digest
from scenetok_jax.sharing.push import PushOptions, push
from scenetok_jax.types import InputError
from scenetok_jax.workdir import places
from scenetok_jax.workdir.checkpoint import restore_params
from scenetok_jax.workdir.stored_config import load_stored_config
from tests.cli import workdirs

NAME = "hf://us/rooms"
OPTIONS = PushOptions("us/rooms")


@pytest.fixture(scope="module")
def stage1(tmp_path_factory):
  return workdirs.stage1(tmp_path_factory.mktemp("stage1"))


def same(ours, theirs):
  """Whether two trees of arrays are equal, bit for bit."""
  same_tree = jax.tree.structure(ours) == jax.tree.structure(theirs)
  pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
  bits = [np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs]
  return same_tree and all(bits)


def cache(name="us/rooms"):
  from huggingface_hub import constants

  return Path(constants.HF_HUB_CACHE, "models--" + name.replace("/", "--"))


@pytest.fixture(autouse=True)
def _empty_cache(hub_server):
  yield
  shutil.rmtree(cache().parent, ignore_errors=True)


def run(*words):
  return scenetok.main([*map(str, words)])


def test_a_model_comes_back_bit_for_bit(hub_server, stage1, capsys):
  assert run("push", f"--workdir={stage1}", "--repo=us/rooms") == 0
  assert "hf://us/rooms: commit" in capsys.readouterr().out
  ours, theirs = map(SceneTok.from_pretrained, (stage1, NAME))
  assert same(ours.params, theirs.params) and ours.digest == theirs.digest
  assert theirs.step == 5 and theirs.config.decoder == ours.config.decoder
  (files,) = [hub_server.repos["us/rooms"].at("main")[1]]
  assert files[PARAMS_FILE] == (stage1 / PARAMS_FILE).read_bytes()
  listed = json.loads(files["hub.json"])["files"]
  assert {hashlib.sha256(files[f]).hexdigest() for f in listed} == {
    *listed.values()
  }
  # Nothing is left beside the copy that the library keeps.
  assert {*files} == {
    *(".gitattributes", "README.md", "config.json", "hub.json", PARAMS_FILE)
  }


def test_a_run_is_rounded_and_float32_is_not(hub_server, stage1, tmp_path):
  whole = SceneTok.from_pretrained(stage1).save_pretrained(
    tmp_path / "whole", "float32"
  )
  model = SceneTok.from_pretrained(whole)
  push(str(whole), PushOptions("us/as-it-is"))
  push(str(whole), PushOptions("us/small", storage="int8"))
  small = model.save_pretrained(tmp_path / "small")
  for name, folder in (("us/as-it-is", whole), ("us/small", small)):
    theirs = SceneTok.from_pretrained(f"hf://{name}").params
    assert same(theirs, SceneTok.from_pretrained(folder).params)


def test_stage_2_needs_no_other_folder(hub_server, stage1, tmp_path):
  folder = workdirs.stage2(tmp_path / "stage2", stage1)
  push(str(folder), PushOptions("us/rooms", storage="float32"))
  ours = SceneTok.from_pretrained(folder)
  shutil.rmtree(folder)
  theirs = SceneTok.from_pretrained(NAME)
  assert {*theirs.params} == {"tokenizer", "decoder", "generator"}
  assert same(ours.params, theirs.params)
  assert str(tmp_path) not in json.dumps(theirs.config.to_dict())


def test_stage_2_without_its_tokenizer_is_refused(hub_server, stage1, tmp_path):
  folder = workdirs.stage2(tmp_path / "stage2", stage1)
  push(str(folder), OPTIONS)
  repo, name = hub_server.repos["us/rooms"], PARAMS_FILE
  data = (folder / name).read_bytes()  # SceneGen alone
  listed = json.loads(repo.at("main")[1]["hub.json"])
  listed["files"][name] = hashlib.sha256(data).hexdigest()
  hub_json = json.dumps(listed).encode()
  repo.commit("main", {name: data, "hub.json": hub_json})
  with pytest.raises(InputError, match="holds no tokenizer; push it again"):
    SceneTok.from_pretrained(NAME)


def test_every_verb_takes_the_name(hub_server, stage1, tmp_path, capsys):
  push(str(stage1), OPTIONS)
  assert run("compact", f"--workdir={NAME}", f"--out={tmp_path / 'out'}") == 0
  # As config.restore and config.tokenizer_from are read.
  assert same(restore_params(NAME), restore_params(stage1))
  assert load_stored_config(NAME)["decoder"]["depth"] == 2
  export = f"--out={tmp_path / 'a.safetensors'}"
  assert run("convert", "--export", f"--workdir={NAME}", export) == 0
  assert run("train", "--config=rooms:smoke", f"--workdir={NAME}") == 2
  assert "hf:// holds no workdir" in capsys.readouterr().err


def test_revisions_and_private_repositories(hub_server, stage1, monkeypatch):
  first = push(str(stage1), PushOptions("us/rooms", private=True))
  tried = push(str(stage1), PushOptions("us/rooms@try/1", licence="mit"))
  assert tried.name == "hf://us/rooms@try/1" and tried.commit != first.commit
  refs = hub_server.repos["us/rooms"].refs
  assert refs == {"main": first.commit, "try/1": tried.commit}
  for revision in (first.commit, "main", "try/1"):
    assert SceneTok.from_pretrained(f"{NAME}@{revision}").step == 5
  shutil.rmtree(cache())
  monkeypatch.delenv("HF_TOKEN")
  with pytest.raises(InputError, match="no such repository, or none that"):
    SceneTok.from_pretrained(NAME)


def test_a_second_load_needs_no_network(hub_server, stage1):
  push(str(stage1), OPTIONS)
  ours = SceneTok.from_pretrained(NAME)
  got = [path for _, path in hub_server.asked if "/resolve/" in path]
  assert {Path(path).name for path in got} == {*places.FILES, "hub.json"}
  hub_server.asked.clear()
  SceneTok.from_pretrained(NAME)
  assert not [p for _, p in hub_server.asked if "/resolve/" in p]
  hub_server.stop()
  try:
    assert same(SceneTok.from_pretrained(NAME).params, ours.params)
    with pytest.raises(InputError, match=r"cannot be reached, and .* no whole"):
      SceneTok.from_pretrained("hf://us/other")
  finally:
    hub_server.start()


@pytest.mark.parametrize(
  ("name", "told"),
  [
    ("hf://us", "not a place on the hub; give hf://OWNER/NAME"),
    ("hf://us/rooms@", "not a place on the hub"),
    ("hf://us/rooms/deeper", "not a place on the hub"),
    ("hf://us/absent", "hf://us/absent: no such repository"),
    ("hf://us/rooms@absent", "hf://us/rooms@absent: no such revision"),
    ("hf://us/bad--name", "hf://us/bad--name: "),
  ],
)
def test_a_wrong_name_is_one_line(hub_server, stage1, name, told, capsys):
  push(str(stage1), OPTIONS)
  capsys.readouterr()
  assert run("render", f"--workdir={name}", "--scene=0", "--out=/tmp/o") == 2
  error = capsys.readouterr().err
  assert told in error and error.count("\n") == 1 and "; " in error


@pytest.mark.parametrize("file", [*places.FILES, "hub.json"])
def test_a_missing_file_is_named(hub_server, stage1, file):
  push(str(stage1), OPTIONS)
  repo = hub_server.repos["us/rooms"]
  del repo.at("main")[1][file]
  with pytest.raises(InputError, match=f"{NAME}: {file}: not there; push it"):
    SceneTok.from_pretrained(NAME)


@pytest.mark.parametrize("file", places.FILES)
def test_a_file_of_another_hash_is_refused(hub_server, stage1, file):
  push(str(stage1), OPTIONS)
  SceneTok.from_pretrained(NAME)
  (copy,) = cache().glob(f"snapshots/*/{file}")
  data = bytearray(copy.read_bytes())
  data[len(data) // 2] ^= 1
  copy.resolve().write_bytes(data)
  with pytest.raises(InputError, match=f"{file}: not of the hash") as error:
    SceneTok.from_pretrained(NAME)
  remedy = str(error.value).split("delete ")[1].split(" and")[0]
  shutil.rmtree(remedy)
  assert SceneTok.from_pretrained(NAME).step == 5


def test_hub_json_names_no_file_elsewhere(hub_server, stage1):
  push(str(stage1), OPTIONS)
  repo = hub_server.repos["us/rooms"]
  listed = json.loads(repo.at("main")[1]["hub.json"])
  listed["files"] = {"../../x": "0" * 64}
  repo.commit("main", {"hub.json": json.dumps(listed).encode()})
  with pytest.raises(InputError, match=r"config\.json: not there"):
    SceneTok.from_pretrained(NAME)


@pytest.mark.parametrize(
  ("version", "told"),
  [(99, "hub.json: not of version 1; "), (True, "version: True is not an int")],
)
def test_another_version_is_refused(hub_server, stage1, version, told):
  push(str(stage1), OPTIONS)
  repo = hub_server.repos["us/rooms"]
  listed = json.loads(repo.at("main")[1]["hub.json"])
  listed["version"] = version
  repo.commit("main", {"hub.json": json.dumps(listed).encode()})
  with pytest.raises(InputError, match=told):
    SceneTok.from_pretrained(NAME)


def test_another_codec_is_refused(hub_server, stage1):
  push(str(stage1), OPTIONS)
  repo = hub_server.repos["us/rooms"]
  listed = json.loads(repo.at("main")[1]["hub.json"])
  listed["codecs"]["target"]["weights_sha256"] = "0" * 64
  repo.commit("main", {"hub.json": json.dumps(listed).encode()})
  with pytest.raises(InputError, match=r"codecs\.target: weights_sha256: not"):
    SceneTok.from_pretrained(NAME)


def test_pushing_without_a_token_is_one_line(
  hub_server, stage1, monkeypatch, capsys
):
  monkeypatch.delenv("HF_TOKEN")
  assert run("push", f"--workdir={stage1}", "--repo=us/rooms") == 2
  error = capsys.readouterr().err
  assert "no token to push with; log in" in error and error.count("\n") == 1
  monkeypatch.setenv("HF_TOKEN", "hf_of_another")
  assert run("push", f"--workdir={stage1}", "--repo=us/rooms") == 2
  error = capsys.readouterr().err
  assert "hf://us/rooms: " in error and error.count("\n") == 1
  assert not hub_server.repos


def test_without_the_extra_it_is_named(hub_server, stage1, monkeypatch):
  with monkeypatch.context() as patch:
    patch.setitem(sys.modules, "huggingface_hub", None)
    told = r"hf://us/rooms: needs huggingface-hub .*\[hub\]"
    with pytest.raises(InputError, match=told):
      SceneTok.from_pretrained(NAME)
    with pytest.raises(InputError, match=told):
      push(str(stage1), OPTIONS)
    done = push(str(stage1), PushOptions("us/rooms", dry_run=True))
  assert done.commit is None


def result(folder, checkpoint):
  """What evaluate left in a workdir, with a contact sheet."""
  folder.mkdir()
  Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "sheet.png")
  values = {
    "protocol": "heldout", "checkpoint_sha256": checkpoint, "scenes": 3,
    "index_sha256": "ab" * 32, "index_file": "index.json", "psnr": 19.654,
    "confidence_intervals": {"psnr": [19.0, 20.25]},
    "pictures": {"s0": "sheet.png"},
  }  # fmt: skip
  (folder / "result.json").write_text(json.dumps(values))


def test_the_card_tells_what_is_known(hub_server, tmp_path, capsys):
  folder = workdirs.stage1(tmp_path / "run")
  result(folder / "scores", digest(SceneTok.from_pretrained(folder).params))
  result(folder / "old", "another model's")
  (folder / "old/other").mkdir()
  (folder / "old/other/result.json").write_text("{}")
  line = f"push --workdir={folder} --repo=us/rooms --licence=mit"
  assert run(*line.split(), "--dry-run") == 0
  told, left_out = capsys.readouterr()
  assert not hub_server.repos and "nothing was pushed" in told
  assert left_out.startswith("left out of the card: ") and "other" in left_out
  assert run(*line.split()) == 0
  files = hub_server.repos["us/rooms"].at("main")[1]
  card = files["README.md"].decode()
  assert card in told
  for text in (
    "license: mit\n", "| steps | 5 |", "| PSNR (dB) | 19.65 | 19.00 to 20.25 |",
    f"index.json (SHA-256\n`{'ab' * 32}`):", "--workdir=hf://us/rooms",
    'SceneTok.from_pretrained("hf://us/rooms")',
    "![pictures/00.png](pictures/00.png)", "lapped_dct",
  ):  # fmt: skip
    assert text in card, text
  assert card.count("## Scores") == 1 and "another model" not in card
  assert files["pictures/00.png"] == (folder / "scores/sheet.png").read_bytes()
  assert str(tmp_path) not in card + files["config.json"].decode()


def test_a_result_of_another_model_is_refused(stage1, tmp_path):
  result(tmp_path / "old", "another model's")
  options = PushOptions("us/rooms", result=(str(tmp_path / "old"),))
  with pytest.raises(InputError, match="--result: of checkpoint another"):
    push(str(stage1), options)


@pytest.mark.parametrize(
  ("options", "told"),
  [
    ({"licence": "mit\ntags: x"}, "--licence: "),
    ({"repo": "us/rooms@a", "revision": "b"}, "--revision: "),
    ({"picture": ("PICTURE.gif",)}, "PICTURE.gif: not a picture"),
    ({"picture": ("absent.png",)}, "absent.png: not a picture"),
  ],
)
def test_a_wrong_option_is_one_line(
  stage1, tmp_path, monkeypatch, options, told
):
  monkeypatch.chdir(tmp_path)
  Image.new("L", (4, 4)).save("PICTURE.gif")
  with pytest.raises(InputError, match=told) as error:
    push(str(stage1), PushOptions(**{"repo": "us/rooms", **options}))
  assert "\n" not in str(error.value)
