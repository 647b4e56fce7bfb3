#!/usr/bin/env bash
# Makes a checkout ready to run: system packages that are missing, a virtual environment, dsmil in it.
# Usage: setup_checkout.sh VENV_DIR. Changes nothing outside the checkout but installed Debian packages.
set -euo pipefail

venv=${1:?usage: setup_checkout.sh VENV_DIR}
cd "$(dirname "$0")/.."

say() { printf '%s\n' "setup: $*" >&2; }

missing_packages() {
  command -v python3 >/dev/null || echo python3
  python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  command -v redis-server >/dev/null || echo redis-server
}

install_missing() {
  local missing sudo=()
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -eq 0 ] && return 0
  if ! command -v apt-get >/dev/null; then
    say "missing: ${missing[*]}. Install Python >= 3.11 with venv, and Redis >= 7.0, with this system's package manager."
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      sudo=(sudo)
    else
      say "missing: ${missing[*]}. Install with: sudo apt-get install -y ${missing[*]}"
      exit 1
    fi
  fi
  say "installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  # The distribution's own Redis must not start by itself: dsmil runs a private one.
  printf '#!/bin/sh\nexit 101\n' > /tmp/dsmil-policy.$$ && chmod +x /tmp/dsmil-policy.$$
  local policy=/usr/sbin/policy-rc.d placed=0
  if [ ! -e "$policy" ]; then "${sudo[@]}" cp /tmp/dsmil-policy.$$ "$policy"; placed=1; fi
  local failed=0
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 || failed=1
  [ "$placed" -eq 1 ] && "${sudo[@]}" rm -f "$policy"
  rm -f /tmp/dsmil-policy.$$
  if [ "$failed" -ne 0 ]; then
    say "apt-get could not install ${missing[*]}; its own words stand above"
    exit 1
  fi
  # ... nor at the next boot, since it was only brought in for its program.
  if [[ " ${missing[*]} " == *" redis-server "* ]] && command -v systemctl >/dev/null; then
    "${sudo[@]}" systemctl disable redis-server >/dev/null 2>&1 || true
  fi
}

check_python() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python $(python3 -V | cut -d' ' -f2) is too old: dsmil needs 3.11 or newer (Debian 12, Ubuntu 24.04)"
    exit 1
  }
}

install_missing
check_python
[ -x "$venv/bin/python" ] || { say "making $venv"; python3 -m venv "$venv"; }
say "installing dsmil and its test tools into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[test]'
"$venv/bin/python" -m compileall -q dsmil
