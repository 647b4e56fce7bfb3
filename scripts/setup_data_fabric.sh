#!/usr/bin/env bash
# Turns a Debian or Ubuntu machine into a running dsmil, upgrades it, or takes it away; --help lists the options.
#
# Each step brings one thing to where it should be and says "ok" where it is there already, so a second run changes
# nothing and a broken one is simply run again. The steps are in scripts/fabric/, in the order of `main`.
set -euo pipefail
shopt -s inherit_errexit
umask 022
unset CDPATH
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for piece in say options packages files settings machine program units uninstall; do
  # shellcheck source=/dev/null # each is checked by itself
  source "$SOURCE/scripts/fabric/$piece.sh"
done

main() {
  read_options "$@"
  if ((!DRY)) && [ "$(id -u)" -ne 0 ]; then
    echo "setup_data_fabric.sh: this needs root: sudo $0 $*" >&2
    echo "(or --dry-run, which prints the plan and changes nothing)" >&2
    exit 1
  fi
  watch_failures
  case $SOURCE/ in /opt/dsmil/* | /etc/dsmil/* | /var/lib/dsmil/*)
    fail "the checkout lies in $SOURCE, and set-up puts its own things there" 'move it, e.g. to /usr/local/src/dsmil'
    ;;
  esac
  read_memory
  if ((!DRY)); then one_at_a_time; fi
  if ((UNINSTALL)); then
    uninstall
    sum_up 'dsmil is not installed here'
  else
    set_up
    sum_up "dsmil is installed as this checkout has it, and runs"
    next_commands
  fi
}

set_up() {
  check_machine
  choose
  bring_packages
  make_users
  make_directories
  install_program
  write_settings
  write_passwords
  place_units
  set_kernel_and_journal
  give_to_shells
  remove_unshipped
  start_units
  remove_old_releases
}

one_at_a_time() {
  local lock=/run/dsmil-setup.lock # root's alone: anybody could hold a directory
  (umask 077 && : >>$lock)
  exec 9>>$lock
  flock -n 9 || fail 'another set-up is running' 'wait for it to end'
}

next_commands() {
  if ((DRY)); then return 0; fi
  local redis='redis-cli'
  if ! own_redis; then
    redis="redis-cli -u URL"
  elif [ -n "${PLACED[$PORT_CONF]:-}" ]; then
    redis="redis-cli -s /run/dsmil-redis/redis.sock"
    echo "Port 6379 is not ours to look at; the socket is, for root and members of group dsmil."
  fi
  cat <<END

next: systemctl status dsmil-soc-router --no-pager
      $redis XINFO STREAM SOC_EVENTS
      sudo usermod -aG dsmil,systemd-journal ${SUDO_USER:-NAME}     # members read the databases, run dsmil; log in again
      dsmil status && dsmil doctor
      journalctl -u dsmil-soc-router -f
END
}

main "$@"
