#!/usr/bin/env bash
# Trains on a Cloud TPU slice through queued resources, and again on a new
# slice whenever a spot slice is taken away: the run resumes from its workdir.
#
#   PROJECT=p ZONE=us-east5-a TYPE=v5p-32 NAME=scenetok \
#     CONFIG=configs/scenetok_re10k.py WORKDIR=/mnt/bucket/runs/re10k \
#     DATA=/mnt/bucket/re10k BUCKET=my-bucket launch/tpu_queued.sh
#
# Settings:
#   PROJECT, ZONE    Google Cloud project and zone
#   TYPE             accelerator type, such as v5litepod-16, v5p-32, v6e-16
#   NAME             of the slice (default scenetok)
#   CONFIG, WORKDIR  needed; WORKDIR is gs://BUCKET/NAME or a path, which lies
#                    below /mnt/bucket when BUCKET is set
#   DATA, OVERRIDES  prepared data; words such as --config.mesh.fsdp=4
#   BUCKET           bucket to mount at /mnt/bucket on every host (gcsfuse). For
#                    a WORKDIR there it needs a hierarchical namespace (gcloud
#                    storage buckets create --enable-hierarchical-namespace): a
#                    checkpoint is complete when its folder is renamed, which
#                    others copy
#   RUNTIME          software version (default: by TYPE)
#   SPOT             1 for cheap slices that may be taken away (default 0)
#   SOURCE           what pip installs on the hosts (default: the last commit
#                    of this repository, copied)
#   POLL             seconds between looks at slice and training (default 60)
#   SETTLE           seconds after a failure in which a slice may still turn out
#                    to have been taken away (default 300)
#   GRACE            seconds to save in when the training is stopped (default
#                    300)
#   RESTARTS         starts without a new checkpoint before it gives up
#                    (default 10)
#   KEEP             1 leaves the slice running at the end (default 0)
# The configuration is checked here first, with data and workdir on the first
# host. --dry-run prints the commands of one life of a slice.
#
# The training is a systemd unit of the hosts, so it survives this script: run
# the same command again and it goes on watching.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(dirname "$here")
# shellcheck source=launch/lib.sh
source "$here/lib.sh"
# shellcheck source=launch/tpu_types.sh
source "$here/tpu_types.sh"
arguments "$@"
need PROJECT "the Google Cloud project"
need ZONE "the zone of the slice, such as us-east5-a"
need TYPE "the accelerator type, such as v5p-32"
train_command
NAME=${NAME:-scenetok}
UNIT=scenetok-train
CHIPS=$(chips "$TYPE")
RUNTIME=${RUNTIME:-$(runtime "$TYPE")}
workdir_or_url
if [[ -n "${BUCKET:-}" ]]; then
  [[ "$BUCKET" != *[:/]* ]] || fail "BUCKET: $BUCKET: give the bare name"
  [[ "$WORKDIR" == /mnt/bucket/* || "$WORKDIR" == gs://* ]] \
    || fail "WORKDIR: $WORKDIR: with BUCKET it must lie below /mnt/bucket"
fi
# Asked for by value: it is expanded on the hosts, not here.
# shellcheck source=launch/env_tpu.sh
source "$here/env_tpu.sh"
where=("--project=$PROJECT" "--zone=$ZONE")
queue=(gcloud compute tpus queued-resources)
hosts=(gcloud compute tpus tpu-vm)

create() {
  local words=(
    "${queue[@]}" create "$NAME" "${where[@]}" "--node-id=$NAME"
    "--accelerator-type=$TYPE" "--runtime-version=$RUNTIME"
  )
  [[ "${SPOT:-0}" == 0 ]] || words+=(--spot)
  run "${words[@]}"
}

# state: of the slice; ABSENT when there is none, UNKNOWN when nobody answers.
state() {
  local answer
  if answer=$("${queue[@]}" describe "$NAME" "${where[@]}" \
    "--format=value(state.state)" 2>&1); then
    echo "$answer"
  elif [[ "$answer" == *NOT_FOUND* ]]; then
    echo ABSENT
  else
    echo UNKNOWN
  fi
}

await() {
  show "${queue[@]}" describe "$NAME" "${where[@]}" \
    "--format=value(state.state)"
  [[ "$DRY_RUN" == 0 ]] || return 0
  local now
  until now=$(state) && [[ "$now" == ACTIVE ]]; do
    case "$now" in
      FAILED | SUSPENDED | ABSENT) return 1 ;;
    esac
    echo "$NAME: $now"
    sleep "${POLL:-60}"
  done
}

# on WORKER COMMAND: in a shell of that host, or of all.
on() {
  run "${hosts[@]}" ssh "$NAME" "${where[@]}" "--worker=$1" "--command=$2"
}

# bash ignores `set -e` where a function is a condition: every step says so.
install() {
  if [[ -z "${SOURCE:-}" ]]; then
    local archive=archive.tar.gz
    if [[ "$DRY_RUN" == 0 ]]; then archive=$(mktemp --suffix=.tar.gz); fi
    unshipped
    run git -C "$REPO" archive --format=tar.gz --prefix=scenetok/ \
      "--output=$archive" HEAD || return 1
    run "${hosts[@]}" scp "$archive" "$NAME:scenetok.tar.gz" "${where[@]}" \
      --worker=all || return 1
    run rm -f "$archive"
    on all "tar -xzf scenetok.tar.gz" || return 1
  fi
  if [[ -n "${BUCKET:-}" ]]; then
    on all "mountpoint -q /mnt/bucket || { sudo mkdir -p /mnt/bucket && \
sudo chown \$USER /mnt/bucket && gcsfuse --implicit-dirs $BUCKET /mnt/bucket; }" \
      || return 1
  fi
  # The images' own Python may be older than 3.11: uv brings one.
  on all "python3 -m pip install -q --user uv && \
python3 -m uv venv -q --allow-existing --python 3.11 \$HOME/env && \
python3 -m uv pip install -q --python \$HOME/env/bin/python \
'${SOURCE:-./scenetok}[tpu,gcs]'"
}

unshipped() {
  local changes
  changes=$(git -C "$REPO" status --porcelain)
  [[ -z "$changes" ]] || printf '%s: not shipped, commit first:\n%s\n' \
    "${0##*/}" "$changes" >&2
}

# The data and the workdir are the hosts': one of them looks at them.
check_there() {
  local words
  printf -v words '%q ' "${TRAIN[@]}" --dry-run "--devices=$CHIPS"
  on 0 "cd scenetok 2> /dev/null; JAX_PLATFORMS=cpu \$HOME/env/bin/${words% }"
}

# A unit that is left from before holds the chips: it is ended with all its
# processes. RemainAfterExit keeps the status of one that ended well.
start() {
  local words settings
  printf -v words '%q ' "${TRAIN[@]}"
  printf -v settings '%q ' "--setenv=LIBTPU_INIT_ARGS=$LIBTPU_INIT_ARGS" \
    "--setenv=JAX_COMPILATION_CACHE_DIR=$JAX_COMPILATION_CACHE_DIR"
  on all "cd scenetok 2> /dev/null; sudo systemctl stop $UNIT 2> /dev/null; \
sudo systemctl reset-failed $UNIT 2> /dev/null; \
sudo systemd-run --quiet --unit=$UNIT --uid=\$(id -u) --gid=\$(id -g) \
--property=RemainAfterExit=yes --property=TimeoutStopSec=${GRACE:-300} \
--working-directory=\$PWD --setenv=HOME=\$HOME $settings\
\$HOME/env/bin/${words% }"
}

# units: one line a host, such as "running 0", "exited 0", "failed 75".
units() {
  "${hosts[@]}" ssh "$NAME" "${where[@]}" --worker=all "--command=echo UNIT \
\$(systemctl show --value --property=SubState --property=ExecMainStatus $UNIT)" \
    2> /dev/null | sed -n 's/.*UNIT //p'
}

# watch: until the training has ended on every host. 0: finished; 75: saved on
# request; 1: failed; 2: the hosts do not answer.
watch() {
  local found
  while true; do
    found=$(units) && [[ -n "$found" ]] || return 2
    if grep -Eqv '^running ' <<< "$found" && grep -q '^running ' <<< "$found"; then
      # A host ended alone: the others save, or wait for it for ever.
      sleep "${POLL:-60}"
      found=$(units) || return 2
      grep -q '^running ' <<< "$found" \
        && on all "sudo systemctl stop $UNIT" > /dev/null
      found=$(grep -v '^running ' <<< "$found" || true)
    fi
    if ! grep -q '^running ' <<< "$found"; then
      grep -Evq '^exited 0$' <<< "$found" || return 0
      grep -Evq "^(exited 0|failed $PREEMPTED)\$" <<< "$found" || return 75
      return 1
    fi
    sleep "${POLL:-60}"
  done
}

# healthy: whether the slice is still there SETTLE seconds later; its state lags
# behind.
healthy() {
  local left=${SETTLE:-300} now
  while true; do
    now=$(state)
    case "$now" in
      ACTIVE | UNKNOWN) ;;
      *) return 1 ;;
    esac
    ((left > 0)) || return 0
    sleep "${POLL:-60}"
    left=$((left - ${POLL:-60}))
  done
}

delete() {
  run "${queue[@]}" delete "$NAME" "${where[@]}" --force --quiet
}

# checkpoint: the newest complete one, or 0.
checkpoint() {
  if [[ "$WORKDIR" == gs://* ]]; then
    gcloud storage ls "$WORKDIR/checkpoints/*/commit_success.txt" 2> /dev/null \
      | sed 's|/[^/]*$||; s|.*/||' | newest
    return
  fi
  "${hosts[@]}" ssh "$NAME" "${where[@]}" --worker=0 \
    "--command=ls $(printf '%q' "$WORKDIR/checkpoints")" 2> /dev/null | newest
}

cd "$REPO"
check "$CHIPS" config
if [[ "$DRY_RUN" == 1 ]]; then
  create
  await
  install
  check_there
  start
  [[ "${KEEP:-0}" == 1 ]] || delete
  exit 0
fi

RESTART_FILE=$(mktemp)
trap 'rm -f "$RESTART_FILE"' EXIT
while true; do
  case "$(state)" in
    ABSENT) create ;;
  esac
  status=2
  if await; then
    if ! grep -q '^running ' <<< "$(units)"; then
      may_restart "$(checkpoint)" || exit 1
      status=1
      install && check_there && start && status=0
    else
      echo "$NAME: the training is running; watching it"
      status=0
    fi
    if ((status == 0)); then
      echo "its log: ${hosts[*]} ssh $NAME ${where[*]} --worker=0" \
        "--command='journalctl -fu $UNIT'"
      watch || status=$?
    fi
    if ((status == 0)); then
      [[ "${KEEP:-0}" == 1 ]] || delete
      exit 0
    fi
    if healthy; then
      ((status != PREEMPTED)) || continue
      echo "tpu_queued.sh: training failed on a healthy slice; it is kept:" \
        "look at it, then run this again or delete it" >&2
      exit 1
    fi
  fi
  echo "tpu_queued.sh: the slice is gone; asking for another" >&2
  delete || true
done
