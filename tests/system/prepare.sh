#!/usr/bin/env bash
# Brings what booting a machine takes: systemd-nspawn and debootstrap. Says what is missing where it may not.
set -euo pipefail

missing=()
command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
command -v debootstrap >/dev/null || missing+=(debootstrap)
command -v setpriv nsenter >/dev/null || missing+=(util-linux)
if [ "$(id -u)" -ne 0 ]; then
  echo "system tests boot a machine, which needs root: sudo make system" >&2
  exit 1
fi
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
  echo "missing: ${missing[*]}, and this system has no apt-get" >&2
  exit 1
fi
echo "installing ${missing[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
