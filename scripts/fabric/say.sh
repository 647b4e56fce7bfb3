# shellcheck shell=bash
# What set-up says: one line a result, the sum at the end, and the mend where a step fails.
#
# A step is opened with `step NAME MEND`. Every change of the machine goes through `change TEXT COMMAND...`, so that a
# dry run and a real run walk the same code, and a second run can tell that it changed nothing.

DRY=0 CHANGES=0 STEP=start STEP_CHANGES=0 MEND='run it again'
FAILED_COMMAND=''
CLEAN=() # removed at the end, however it ends

step() { STEP=$1 MEND=$2 STEP_CHANGES=0; }

line() { printf '%-12s %-6s %s\n' "$STEP" "$1" "$2"; }

note() { line note "$1"; }

settled() { if ((STEP_CHANGES == 0)); then line ok "$1"; fi; }

change() { # TEXT COMMAND...
  local text=$1
  shift
  CHANGES=$((CHANGES + 1)) STEP_CHANGES=$((STEP_CHANGES + 1))
  if ((DRY)); then
    line would "$text"
  else
    FAILED_COMMAND=$*
    "$@"
    FAILED_COMMAND=''
    line did "$text"
  fi
}

quiet() { # COMMAND...: its words only where it fails
  local words status=0
  words=$("$@" 2>&1) || status=$?
  if ((status)); then
    FAILED_COMMAND=$*
    printf '%s\n' "$words" | tail -n 20 >&2
  fi
  return "$status"
}

fail() { # TEXT [MEND]
  trap - ERR
  printf '\nset-up stopped in step %s: %s\n  to mend it: %s\n' "$STEP" "$1" "${2:-$MEND}" >&2
  exit 1
}

unmet() { # TEXT MEND: a dry run goes on, to show the whole plan
  if ((DRY)); then note "set-up would stop here: $1 ($2)"; else fail "$1" "$2"; fi
}

on_error() { # STATUS COMMAND
  if ((BASH_SUBSHELL == 0)); then fail "\`${FAILED_COMMAND:-$2}\` failed with status $1; its own words stand above"; fi
}

on_exit() { if ((${#CLEAN[@]})); then rm -rf -- "${CLEAN[@]}"; fi; }

watch_failures() {
  set -E
  trap 'on_error $? "$BASH_COMMAND"' ERR
  trap on_exit EXIT
}

changes() { if ((CHANGES == 1)); then echo change; else echo changes; fi; }

sum_up() { # NOTHING: what a run without changes means
  if ((CHANGES == 0)); then
    printf '\nnothing to change: %s\n' "$1"
  elif ((DRY)); then
    printf '\n%d %s would be made; this was a dry run and changed nothing\n' "$CHANGES" "$(changes)"
  else
    printf '\n%d %s\n' "$CHANGES" "$(changes)"
  fi
}
