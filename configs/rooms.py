"""The small model that ships with the repository, trained on rendered rooms.

  scenetok prepare --dataset=rooms --split=train --scenes=2000 --out=data/rooms
  scenetok train --config=configs/rooms.py --workdir=runs/rooms \\
    --config.data.path=data/rooms

At most 2 hours on 2 CPU cores; the result is in docs/training_runs.md. Rooms
are 64 x 64 pixels, a latent is one frame, context views are chosen to cover the
clip and target frames are drawn one by one. Variants: generator (stage 2; give
--config.tokenizer_from=runs/rooms), quick (stage 2 shrunk for the
quickstart), few_step (the shipped renderer tuned to videos in 1, 2 or 4 steps),
smoke. What each recipe in it is worth is measured with configs/quickstart.py,
which has them as variants.
"""

from ml_collections import ConfigDict

from scenetok_jax.configs import common


def get_config(variant: str = "") -> ConfigDict:
  """Stage 1, or stage 2 with variant "generator"."""
  names = [name for name in variant.split(",") if name]
  stage = "generator" if "generator" in names else "tokenizer"
  names = [name for name in names if name != "generator"]
  config = common.base(stage)
  shipped(config)
  if stage == "generator":
    small_generator(config)
  table = {"smoke": smoke, "quick": quick, "few_step": few_step}
  return common.variants(config, ",".join(names), table)


def shipped(config: ConfigDict) -> None:
  """The shipped model: `small`, with what docs/training_recipes.md found."""
  small(config)
  fine(config)
  common.prope(config)
  muon(config)
  for codec in (config.codecs.context, config.codecs.target):
    codec.channels = 48
  config.optimizer.update({"schedule": "wsd", "decay_share": 0.2})
  config.train.update({"total_steps": 8800, "eval_every": 2200})


def muon(config: ConfigDict) -> None:
  """Muon for the matrices of blocks, at the rate that suits it."""
  config.optimizer.update({"name": "muon", "learning_rate": 2e-3})


def fine(config: ConfigDict) -> None:
  """Tokens of 16 pixels, four times as many, in lapped blocks."""
  common.lapped_codecs(config)
  for codec in (config.codecs.context, config.codecs.target):
    codec.update({"spatial": 16, "channels": codec.channels // 2})
  for network in ("tokenizer", "decoder"):
    config[network].rays.patch = 4


def small(config: ConfigDict) -> None:
  """Networks of a few million parameters on 64 x 64 images."""
  config.data.update(
    {
      "image_size": 64,
      "frames_per_latent": 1,
      "num_context": 5,
      "num_targets": 6,
      "batch_size": 24,
      "flip": True,
    }
  )
  config.data.view_sampler.update(
    {"gap": 1, "chunks": 6, "chunk_probability": 1.0}
  )
  codec = {"name": "block_dct", "spatial": 32, "channels": 64}
  config.codecs.context.update(codec)
  # Unwhitened: the loss is the pixels' squared error, hence mostly about the
  # low frequencies, which are what tokens can tell.
  config.codecs.target.update({**codec, "whiten": 0.0})
  rays = {"size": (16, 16), "patch": 8, "gain": 3.0}
  config.tokenizer.update(
    {
      "num_tokens": 64,
      "token_channels": 32,
      "width": 128,
      "depth": 3,
      "heads": 2,
      "mlp_ratio": 2.0,
      "patch": 1,
      "token_init": 1.0,  # ours: 5.0 saturates the first reads at this width
      "projection": "simple",  # ours: posterior noise slows so short a run
      # Ours: rays added to the views and normalised queries; with the release's
      # modulation and raw queries the tokens stay a palette of the room.
      "camera_conditioning": "add",
      "qk_norm": True,
      "rays": rays,
    }
  )
  config.decoder.update(
    {
      "width": 128,
      "depth": 4,
      "heads": 2,
      "mlp_ratio": 2.0,
      "rays": rays,
      "rope_latents": 6,
      "rope_parts": 6,  # frames of a clip are unordered, each at time zero
    }
  )
  # Ours: at this size the noisy end teaches the network to use its tokens.
  config.flow.update(
    {
      "weighting": "shifted",
      "shift": 20.0,
      "sampling": "random_chunked_uniform",
    }
  )
  # Assigned last: the two are one reference in the published configurations.
  config.flow = ConfigDict({**config.flow.to_dict(), "chunks": 1})
  config.sampling.update(
    {
      "shift": 20.0,
      "steps": 15,
      "window": 6,
      "overlap": 0,
      "deterministic": True,
    }
  )
  config.optimizer.update(
    {
      "learning_rate": 1e-3,
      "schedule": "cosine",
      "warmup_steps": 200,
      "clip_norm": 1.0,
      "skip": "freeze",
    }
  )
  config.train.update(
    {
      "checkpoint_every": 200,
      "log_every": 20,
      "eval_scenes": 16,
      "kl_weights": (0.0, 0.0),
    }
  )


def small_generator(config: ConfigDict) -> None:
  """SceneGen at the same scale; 1 conditioning view of up to 3."""
  config.generator.update(
    {
      "width": 160,
      "depth": 4,
      "heads": 5,
      "rays": {"size": (16, 16), "patch": 4},
    }
  )
  config.generation.update(
    {
      "scale_factor": 1.0,  # ours: these tokens have unit mean square
      "steps": 50,
      "shift": 4.0,
      "guidance": 1.5,
      "anchors": 5,
    }
  )
  config.train.total_steps = 6000


def quick(config: ConfigDict) -> None:
  """Stage 2 within the quickstart: a minute or two."""
  config.generator.update({"width": 128, "depth": 3, "heads": 2})
  config.train.update({"total_steps": 150, "checkpoint_every": 50})
  config.optimizer.warmup_steps = 20


def few_step(config: ConfigDict) -> None:
  """Average velocities for the shipped renderer, in a short training."""
  common.few_step(config, total_steps=1500)
  config.restore = common.shipped("rooms")
  config.optimizer.update({"learning_rate": 5e-4, "warmup_steps": 50})


def smoke(config: ConfigDict) -> None:
  """Two steps of the same networks at width 32, from scratch."""
  config.restore = None
  config.data.update({"batch_size": 8, "cache": False, "num_context": 3})
  for network in ("tokenizer", "decoder", "generator"):
    if network in config:
      config[network].update({"width": 32, "depth": 2, "heads": 2})
  config.tokenizer.update({"num_tokens": 8, "token_channels": 8})
  if config.stage == "generator":
    config.generation.update({"steps": 4, "anchors": 3})
  common.smoke_training(config)
