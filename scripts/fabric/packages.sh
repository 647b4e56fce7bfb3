# shellcheck shell=bash
# Debian packages, for setup_checkout.sh and setup_data_fabric.sh alike: what is missing, and how it comes without
# starting a daemon. The distribution's own Redis is only brought in for its program: dsmil runs one of its own.

AS_ROOT=() # (sudo) where this is not root

missing_packages() { # PYTHON COMMAND=PACKAGE...: prints the packages that are missing
  local python=$1 pair
  shift
  "$python" -c '' 2>/dev/null || echo python3
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  for pair; do command -v "${pair%%=*}" >/dev/null || echo "${pair#*=}"; done
}

install_packages() { # PACKAGE...
  (
    policy=/usr/sbin/policy-rc.d draft=$(mktemp)
    trap 'rm -f "$draft"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$draft"
    if [ ! -e "$policy" ]; then
      trap '"${AS_ROOT[@]}" rm -f "$policy"; rm -f "$draft"' EXIT
      "${AS_ROOT[@]}" install -m 0755 "$draft" "$policy" || exit 1
    fi
    "${AS_ROOT[@]}" apt-get update -qq || exit 1
    "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
      apt-get install -y -qq --no-install-recommends "$@" </dev/null || exit 1
  ) || return 1
  if [[ " $* " == *" redis-server "* ]] && [ -d /run/systemd/system ]; then
    "${AS_ROOT[@]}" systemctl disable --now redis-server.service >/dev/null 2>&1
  fi
}
