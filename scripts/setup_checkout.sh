#!/usr/bin/env bash
# Makes a checkout ready to run: system packages that are missing, a virtual environment, dsmil in it.
# Usage: setup_checkout.sh VENV_DIR. Changes nothing outside the checkout but installed Debian packages.
set -euo pipefail

venv=${1:?usage: setup_checkout.sh VENV_DIR}
cd "$(dirname "$0")/.."
# shellcheck source=/dev/null # checked by itself
source scripts/fabric/packages.sh

say() { printf '%s\n' "setup: $*" >&2; }

install_missing() {
  local missing
  mapfile -t missing < <(missing_packages python3 redis-server=redis-server)
  [ ${#missing[@]} -eq 0 ] && return 0
  if ! command -v apt-get >/dev/null; then
    say "missing: ${missing[*]}. Install Python >= 3.11 with venv, and Redis >= 7.0, with this system's package manager."
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      AS_ROOT=(sudo)
    else
      say "missing: ${missing[*]}. Install with: sudo apt-get install -y ${missing[*]}"
      exit 1
    fi
  fi
  say "installing ${missing[*]}"
  install_packages "${missing[@]}" >&2 || {
    say "apt-get could not install ${missing[*]}; its own words stand above"
    exit 1
  }
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
