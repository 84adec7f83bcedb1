# shellcheck shell=bash
# Shared by the launchers: --help, --dry-run, required settings, shown commands,
# the check before anything costs, and how often a run may start again.

DRY_RUN=${DRY_RUN:-0}
# shellcheck disable=SC2034  # read by those that source this file
PREEMPTED=75  # exit status of a training that saved and wants to go on

# arguments WORD...: the launchers know --dry-run and --help only.
arguments() {
  local word
  for word in "$@"; do
    case "$word" in
      --dry-run) DRY_RUN=1 ;;
      --help | -h)
        sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0"
        exit 0
        ;;
      *) fail "$word: unknown; settings are environment variables (--help)" ;;
    esac
  done
}

# fail MESSAGE: one line, status 2.
fail() {
  echo "${0##*/}: error: $1" >&2
  exit 2
}

# need NAME WHAT: stops unless the environment variable NAME is set.
need() {
  [[ -n "${!1:-}" ]] || fail "set $1: $2"
}

# words_of NAME: the words of a setting, which may have line breaks, in WORDS.
words_of() {
  WORDS=()
  [[ -z "${!1:-}" ]] || read -r -d '' -a WORDS <<< "${!1}" || true
}

# show COMMAND...: one line that can be pasted into a shell.
show() {
  local text
  printf -v text '%q ' "$@"
  echo "+ ${text% }"
}

# run COMMAND...: shows the command and, unless --dry-run, runs it.
run() {
  show "$@"
  if [[ "$DRY_RUN" == 0 ]]; then
    "$@"
  fi
}

# Words of the training command that every launcher builds from settings:
# CONFIG, WORKDIR, DATA and OVERRIDES (words such as --config.mesh.fsdp=4).
train_command() {
  need CONFIG "a configuration, such as configs/scenetok_re10k.py"
  need WORKDIR "a folder that every process sees"
  TRAIN=(scenetok train "--config=$CONFIG" "--workdir=$WORKDIR")
  [[ -z "${DATA:-}" ]] || TRAIN+=("--config.data.path=$DATA")
  words_of OVERRIDES
  TRAIN+=("${WORDS[@]}")
}

# workdir_or_url: WORKDIR is an absolute path or lies in a bucket.
workdir_or_url() {
  [[ "$WORKDIR" == /* || "$WORKDIR" == gs://?*/?* ]] \
    || fail "WORKDIR: $WORKDIR: give an absolute path or gs://BUCKET/NAME"
}

# check DEVICES [WHAT]: the configuration on so many devices, before anything
# is started. WHAT: all (data, workdir and weights, too) or config.
check() {
  local what=${2:-all}
  [[ "$DRY_RUN" == 0 ]] || what=config
  local python=${PYTHON:-$REPO/.venv/bin/python}
  if [[ ! -x "$python" ]]; then
    echo "${0##*/}: no $python here: not checked before the start" >&2
    return
  fi
  local words=(
    env JAX_PLATFORMS=cpu "$python" -m scenetok_jax.cli.train "${TRAIN[@]:2}"
    "--dry-run=$what" "--devices=$1"
  )
  show "${words[@]}"
  "${words[@]}"
}

# newest: reads names of checkpoints, prints the latest step, or 0.
newest() {
  { grep -Ex '[0-9]+' || true; } | sort -n | tail -n 1 | grep . || echo 0
}

# may_restart STEP: stops a run that started RESTARTS times from the same
# checkpoint. $RESTART_FILE remembers it.
may_restart() {
  local before=none count=0
  [[ ! -s "$RESTART_FILE" ]] || read -r before count < "$RESTART_FILE"
  if [[ "$before" == "$1" ]]; then count=$((count + 1)); else count=0; fi
  echo "$1 $count" > "$RESTART_FILE"
  if ((count > ${RESTARTS:-10})); then
    echo "${0##*/}: error: started $((count + 1)) times without a checkpoint" \
      "after step $1; look at the log, then remove $RESTART_FILE" >&2
    return 1
  fi
}
