#!/usr/bin/env bash
# RealEstate10K from downloads to scores on one GPU box: records, latents, both
# stages.
#
#   RAW=/raw/re10k OUT=/shared/re10k CODECS=/shared/codecs launch/reproduce.sh
#
# Every command goes on where it stopped, so the script may be run again. With
# --dry-run it prints the commands; run them on a cluster by the other launchers.
#
# Settings:
#   RAW        folder with train/ and test/ of pixelSplat's RealEstate10K chunks
#   OUT        folder for records, latents and runs
#   CODECS     folder with va_vae/ and video_dc_ae/ by scenetok convert --codec
#   OVERRIDES  words for both trainings, such as --config.mesh.fsdp=4
set -euo pipefail
REPO=${REPO:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
# shellcheck source=launch/lib.sh
source "$REPO/launch/lib.sh"
arguments "$@"
need RAW "the folder of the RealEstate10K chunks"
need OUT "a folder for records, latents and runs"
need CODECS "the folder of the converted codecs"
words_of OVERRIDES
scenetok="$REPO/.venv/bin/scenetok"
# shellcheck disable=SC2153  # CODECS is a setting, codecs are arguments
codecs=(
  "--config.codecs.context.weights=$CODECS/va_vae"
  "--config.codecs.target.weights=$CODECS/video_dc_ae"
)
# shellcheck source=launch/env_gpu.sh
source "$REPO/launch/env_gpu.sh"
words=("${WORDS[@]}")
inputs=("--config.data.path=$OUT/data" "--config.data.latents=$OUT/latents")

for split in train test; do
  run "$scenetok" prepare --dataset=re10k "--source=$RAW" "--split=$split" \
    --size=256 "--out=$OUT/data"
done
run "$scenetok" latents --config=configs/scenetok_re10k.py \
  "--data=$OUT/data" "--out=$OUT/latents" "${codecs[@]}"
run "$scenetok" train --config=configs/scenetok_re10k.py \
  "--workdir=$OUT/scenetok" "${inputs[@]}" "${codecs[@]}" "${words[@]}"
run "$scenetok" train --config=configs/scenegen_re10k.py:shift4 \
  "--workdir=$OUT/scenegen" "--config.tokenizer_from=$OUT/scenetok" \
  "${inputs[@]}" "${codecs[@]}" "${words[@]}"
run "$scenetok" evaluate "--workdir=$OUT/scenetok" "--data=$OUT/data" \
  --protocol=heldout "--json=$OUT/heldout.json"
run "$scenetok" tables "$OUT/heldout.json"
