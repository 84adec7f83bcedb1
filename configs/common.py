"""Presets shared by all configurations; values say where they come from.

A configuration is a Python file with get_config(variant="") that returns an
ml_collections ConfigDict; `configs/x.py:smoke` selects a variant.
"""

import pathlib

from ml_collections import ConfigDict
from ml_collections.config_dict import FieldReference, placeholder

AUTO = "auto"  # what suits the devices (scenetok_jax/train/auto.py)
AUTO_MESH = {"data": 0, "fsdp": 0, "tensor": 0, "sequence": 0}


def shipped(name: str) -> str:
  """The folder of a checkpoint that ships with the package."""
  # Resolved: a clone links the package's folder to the one at the top.
  top = pathlib.Path(__file__).resolve().parents[1]
  return str(top / "checkpoints" / name)


def base(stage: str) -> ConfigDict:
  """Everything both stages share, at the released setting."""
  frames_per_latent = FieldReference(4)
  chunked = FieldReference(False)
  noise_chunks = FieldReference(2)
  total_steps = FieldReference(760_000)  # paper Sec. 4
  config = ConfigDict()
  config.seed = 0
  config.stage = stage  # "tokenizer" (stage 1) or "generator" (stage 2)
  config.dtype = AUTO  # of computations: or "float32", "bfloat16"
  config.remat = AUTO  # or "none", "dots", "narrow", "offload", "full"
  config.attention = AUTO  # or "xla", "cudnn", "splash", "splash:512x1024"
  # All 0: "auto". Beside others, 0 is -1 (what is left) of data, else 1.
  config.mesh = dict(AUTO_MESH)
  config.restore = placeholder(str)  # workdir or params file to start from
  config.restore_partial = placeholder(bool)  # True: take what fits of it
  config.restore_ema = placeholder(bool)  # True: take its moving averages
  config.data = {
    "path": placeholder(str),
    "latents": placeholder(str),  # of `scenetok latents`, read instead of path
    "split": "train",
    "batch_size": 128,  # global; paper: 4 GPUs x 32
    "workers": -1,  # "auto": as many as suit the machine
    "threads": 0,  # examples a process reads at once; 0: 64 in a worker, else 1
    "timeout": 600.0,  # seconds without a batch that mean a stuck worker
    "cache": True,
    "image_size": 256,
    "frames_per_latent": frames_per_latent,
    "chunked": chunked,
    "num_context": 12,
    "num_targets": 8,  # latents of a clip
    "target_clips": placeholder(int),  # of a scene in a step; unset: 1
    "num_conditions": 0 if stage == "tokenizer" else 3,
    "flip": True,
    "view_sampler": {
      "name": "unbounded",
      "gap": 4,  # release: chunk_index_gap
      "chunks": noise_chunks,  # release: num_target_split
      "chunk_probability": 0.7,  # release: split prob, RE10K
      "full_range": False,  # release: chunks never start at the very end
      "context": "farthest_point",
    },
  }
  config.codecs = {
    "context": va_vae(),
    "target": video_dc_ae(frames_per_latent, chunked),
  }
  config.tokenizer = {
    "num_tokens": 512,
    "token_channels": 64,
    "width": 768,
    "depth": 12,
    "heads": 12,
    "patch": 2,
    "rays": {"size": (128, 128), "patch": 16, "encoding": "ray"},
    "projection": "kl",
    "token_init": 5.0,
    "qk_norm": False,
    "rope": "2d",
    "mlp_ratio": 4.0,
  }
  config.decoder = {
    "width": 1024,
    "depth": 24,
    "heads": 16,
    "patch": 1,
    "rays": {"size": (128, 128), "patch": 16, "encoding": "ray"},
    "frames_per_latent": frames_per_latent,
    "chunked": chunked,
    "rope": "3d",
    "rope_latents": 8,
    "rope_parts": 1,
    "null_token": False,  # release: never created
    "interval": placeholder(bool),  # True: knows average velocities
    "mlp_ratio": 4.0,
  }
  config.flow = {
    "weighting": "logit_normal",
    "shift": 1.0,
    "sampling": "random_chunked_uniform",
    "chunks": noise_chunks,
    "uniform_probability": 0.2,  # release: enforce_uniform_noise
  }
  config.sampling = {
    "sampler": "full_sequence",
    "steps": 25,
    "window": 8,
    "overlap": 4,
    "uncertainty_scale": None,  # of the sampler "pyramid": its lag in steps
    "guidance": 1.0,
    "shift": 1.0,
    "deterministic": False,  # release: tokens are sampled at inference too
  }
  config.optimizer = {
    "name": placeholder(str),  # or "muon" (ours); unset: AdamW for all
    "learning_rate": 1e-4,
    "schedule": "steps",
    "warmup_steps": 2000,
    "warmup_start": 5e-4,
    "milestones": (20_000, 150_000, 500_000),  # after the warm-up
    "gamma": 0.4,
    "weight_decay": 0.01,
    "clip_norm": 0.05,
    "skip": "zero" if stage == "tokenizer" else "freeze",
    "skip_threshold": 1.0,
    "decay_steps": total_steps,  # end of the schedules "cosine" and "wsd"
    "decay_share": placeholder(float),  # of them, "wsd" decays; unset: 0.2
    "ema_decay": 0.0,  # release: off
    "ema_std": placeholder(float),  # instead: grows with the run, by this share
  }
  config.train = {
    "total_steps": total_steps,
    "accumulate": 1,  # micro-batches per step
    "reduce_dtype": placeholder(str),  # of gradients; unset: as computed
    "defer_reduction": placeholder(bool),  # True: once a step
    "checkpoint_every": 5_000,
    "checkpoint_keep": 3,  # newest ones
    "checkpoint_permanent_every": 0,  # steps between those kept for ever
    "log_every": 50,
    "eval_every": 5_000,
    "eval_scenes": 8,
    "kl_weights": (1e-10, 1e-10),  # release: RE10K
    "kl_schedule": (100_000, 300_000),
    "freeze_after": -1,  # step from which the tokenizer is frozen
    "unconditional_probability": 0.0,  # release: 0.1 under a key nobody reads
    "max_nonfinite": 100,  # such steps in a row end the run; ours: any limit
    "hang_timeout": 600.0,  # seconds in which nothing gets on, 0: any; ours
    "profile": "",  # "10:13" traces these steps into WORKDIR/profile
    "wandb": "",  # project name: logs to Weights & Biases too
  }
  if stage == "generator":
    _generator(config)
  return config


def _generator(config: ConfigDict) -> None:
  """Stage 2 on top of stage 1's networks, which stay frozen."""
  config.tokenizer_from = placeholder(str)  # stage-1 workdir
  config.generator = {
    "width": 1536,
    "depth": 24,
    "heads": 24,
    "patch": 1,
    "rays": {
      "size": (128, 128),
      "patch": 8,
      "encoding": "plucker",
      "normalize": True,
    },
    "mlp_ratio": 4.0,
  }
  config.generation = {
    "scale_factor": 0.1,  # release
    "shift": 4.0,
    "weighting": "shifted",
    "steps": 150,
    "guidance": 3.0,  # release: notebooks; 1.0 on the command line
    "keep_probability": 0.5,  # conditioning views other than the first
    "unconditional_probability": 0.0,
    "camera_dropout": 0.1,
    "anchors": 12,
  }
  config.train.total_steps = 1_000_000  # paper Sec. 4
  config.optimizer.milestones = (125_000, 200_000, 500_000)
  config.optimizer.gamma = 0.5
  config.optimizer.clip_norm = 0.1
  config.data.batch_size = 192  # release: 4 GPUs x 48


def va_vae() -> dict:
  """VA-VAE: f16, 32 channels (release: context images)."""
  return {
    "name": "va_vae",
    "spatial": 16,
    "channels": 32,
    "frames_per_latent": 1,
    "chunked": False,
    **codec_options(),
  }


def video_dc_ae(frames_per_latent=4, chunked=False) -> dict:
  """Open-Sora Video DC-AE: f32, t4, 128 channels."""
  return {
    "name": "video_dc_ae",
    "spatial": 32,
    "channels": 128,
    "frames_per_latent": frames_per_latent,
    "chunked": chunked,
    **codec_options(),
  }


def codec_options() -> dict:
  """What a published codec needs besides its geometry; all may stay unset."""
  return {
    "weights": placeholder(str),  # folder made by `scenetok convert --codec`
    "dtype": placeholder(str),  # default "float32"; "bfloat16": see docs
    "frames_at_once": placeholder(int),  # on one device, default 8
  }


def wan(config: ConfigDict) -> None:
  """Wan 2.2 VAE as target codec: f16, 48 channels, 17 frames -> 5 latents."""
  config.codecs.target.update(
    {"name": "wan_vae", "spatial": 16, "channels": 48}
  )
  config.data.chunked = True
  config.data.num_targets = 10
  config.data.view_sampler.gap = 5
  config.decoder.rays.patch = 8
  config.decoder.rope_latents = 10
  config.decoder.rope_parts = 2
  config.sampling.window = 10
  config.sampling.overlap = 5


def focal_by_256(rays: ConfigDict) -> None:
  """Focal lengths times (w, h) / 256 of DL3DV's 3840 x 2160 frames.

  The released DL3DV checkpoints were trained so (the release's known bugs 1
  and 2) and render wrongly without it.
  """
  rays.scale = (15.0, 8.4375)


def dl3dv(config: ConfigDict) -> None:
  """DL3DV: 16 context views from a growing window, 1024 tokens."""
  config.data.num_context = 16
  config.data.batch_size = 64  # release: 4 GPUs x 16
  config.data.view_sampler = {
    "name": "bounded",
    "gap": 4,
    "chunks": config.data.view_sampler.get_ref("chunks"),
    "chunk_probability": 0.8,
    "full_range": False,
    "context": "farthest_point",
    "initial_context_gap": (48, 64),
    "final_context_gap": (64, 96),
    "warmup_steps": 30_000,
    "margin": 0,
  }
  config.tokenizer.num_tokens = 1024
  config.decoder.rope_parts = 2
  config.flow.weighting = "shifted"
  config.train.kl_weights = (0.0, 0.0)


def embedded_codecs(config: ConfigDict) -> None:
  """Swaps the published codecs for block-DCT ones of the same geometry."""
  for codec in (config.codecs.context, config.codecs.target):
    codec.name = "block_dct"


def lapped_codecs(config: ConfigDict) -> None:
  """Swaps block-DCT codecs for lapped ones, which have no seams."""
  for codec in (config.codecs.context, config.codecs.target):
    if codec.name == "block_dct":
      codec.name = "lapped_dct"


def few_step(config: ConfigDict, total_steps: int = 20_000) -> None:
  """Tunes a renderer to average velocities, for videos in 1, 2 or 4 steps.

  MeanFlow, arXiv 2505.13447; config.restore is the run that it starts from.
  """
  if config.stage != "tokenizer":
    raise ValueError("few_step tunes a renderer, which is stage 1")
  config.restore_partial = True  # the embedding of intervals is new
  config.decoder.interval = True
  config.mean_flow = {
    "equal": 0.75,  # share without an interval; paper Table 4: 25 % with one
    "power": 1.0,  # of the adaptive weight; paper Table 4
    # Radians a level: features of the timestep that turn faster pass no slope.
    # Ours: they turn by up to 1000, of which a trained renderer has ripples
    # whose slope exceeds that of the flow.
    "turns": 100.0,
  }
  config.sampling.steps = 2
  # Ours: the tokens stay those of the run.
  config.train.update({"freeze_after": 0, "total_steps": total_steps})


def prope(config: ConfigDict) -> None:
  """Poses enter by relative projections in attention alone (ops/prope.py)."""
  config.tokenizer.camera_conditioning = "prope"
  config.decoder.camera_conditioning = "prope"
  config.decoder.rope = "2d"  # arXiv 2507.10496: a patch's place in its image


def smoke(config: ConfigDict) -> None:
  """Two steps in seconds on a laptop: same networks, small sizes."""
  embedded_codecs(config)
  config.data.image_size = 64
  config.data.batch_size = 8
  config.data.num_context = 3
  config.data.cache = False
  # Latent grids: context 64 / 16 = 4, target 64 / spatial.
  target = 64 // config.codecs.target.spatial
  config.tokenizer.update(
    {"num_tokens": 8, "token_channels": 8, "width": 32, "depth": 2, "heads": 2}
  )
  grid = 4 // config.tokenizer.patch
  config.tokenizer.rays.update({"size": (8, 8), "patch": 8 // grid})
  config.decoder.update({"width": 32, "depth": 2, "heads": 2})
  config.decoder.rays.update({"size": (8, 8), "patch": 8 // target})
  if config.stage == "generator":
    config.generator.update({"width": 32, "depth": 2, "heads": 2})
    config.generator.rays.update({"size": (8, 8), "patch": 2})
    config.generation.update({"steps": 4, "anchors": 3})
  smoke_training(config)


def smoke_training(config: ConfigDict) -> None:
  """Two steps, everything logged, saved and evaluated once."""
  config.sampling.steps = 2
  config.data.workers = 0
  config.optimizer.warmup_steps = 1
  config.train.update(
    {
      "total_steps": 2,
      "log_every": 1,
      "checkpoint_every": 1,
      "eval_every": 2,
      "eval_scenes": 1,
    }
  )


def variants(config: ConfigDict, variant: str, table: dict) -> ConfigDict:
  """Applies a comma-separated list of named variants.

  "embedded" and "smoke" exist everywhere; `table` adds the file's own
  (name -> function that edits the config in place).
  """
  functions = {"embedded": embedded_codecs, "smoke": smoke, **table}
  # Smoke shrinks whatever the others chose, hence last.
  names = sorted(filter(None, variant.split(",")), key=lambda n: n == "smoke")
  for name in names:
    if name not in functions:
      raise ValueError(
        f"unknown variant {name!r}; this config has {sorted(functions)}"
      )
    functions[name](config)
  return config
