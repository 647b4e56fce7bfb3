# shellcheck shell=bash
# The command line of setup_data_fabric.sh.

UNINSTALL=0 PURGE=0 WHEELHOUSE='' TMPFS_SIZE='' WANT_REDIS='' WANT_PORT='' WANT_ALL=0
ONLY=()

usage() {
  cat <<'END'
Usage: sudo ./scripts/setup_data_fabric.sh [options]

Turns a Debian 12 or Ubuntu 24.04 machine (or newer) into a running dsmil: program in /opt/dsmil, settings in
/etc/dsmil, databases in /var/lib/dsmil, a tmpfs at /mnt/dsmil-ram, one systemd unit per daemon. Run it again to
upgrade, or after you changed your mind: what is as it should be is left alone, files you edited are kept.

  --dry-run            print what would be done and change nothing; needs no root
  --tmpfs-size SIZE    size of the tmpfs, e.g. 2G or 512M (default: a quarter of the memory, at most 4G)
  --no-port            Redis on its unix socket alone, no look-only port 6379        (--port takes it back)
  --no-redis           use the Redis of REDIS_URL instead of one of our own          (--redis takes it back)
                       sudo REDIS_URL=redis://192.0.2.7:6379/0 ./scripts/setup_data_fabric.sh --no-redis
  --only UNIT          this daemon alone, e.g. soc-router; repeat it for more        (--all installs the rest)
  --offline DIR        no network: Python packages from DIR, and no Debian packages. Fill DIR, on a machine with the
                       same Python, by: python3 -m pip wheel --use-pep517 -w DIR . hatchling
  --uninstall          stop and remove everything but /var/lib/dsmil
  --uninstall --purge  remove that too: every recorded event
  -h, --help           this text

What you choose is kept for later runs.
Exit codes: 0 done; 1 failed, with the mend; 2 wrong usage.
END
}

misused() {
  printf 'setup_data_fabric.sh: %s\n\n' "$1" >&2
  usage >&2
  exit 2
}

read_options() { # ARGUMENT...
  while (($#)); do
    case $1 in
      --dry-run) DRY=1 ;;
      --uninstall) UNINSTALL=1 ;;
      --purge) PURGE=1 ;;
      --no-redis) WANT_REDIS=no ;;
      --redis) WANT_REDIS=yes ;;
      --no-port) WANT_PORT=no ;;
      --port) WANT_PORT=yes ;;
      --all) WANT_ALL=1 ;;
      --tmpfs-size | --only | --offline)
        [ $# -ge 2 ] || misused "$1 needs a value"
        take_value "$1" "$2"
        shift
        ;;
      --tmpfs-size=* | --only=* | --offline=*) take_value "${1%%=*}" "${1#*=}" ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) misused "unknown option $1" ;;
    esac
    shift
  done
  if ((PURGE && !UNINSTALL)); then misused '--purge goes with --uninstall'; fi
}

take_value() { # OPTION VALUE
  case $1 in
    --tmpfs-size)
      [[ $2 =~ ^[1-9][0-9]*[KMGkmg]$ ]] || misused "--tmpfs-size $2: a number with K, M or G, e.g. 2G"
      TMPFS_SIZE=${2^^}
      ;;
    --offline)
      [ -d "$2" ] || misused "--offline $2: no such directory"
      WHEELHOUSE=$(cd "$2" && pwd)
      ;;
    --only)
      local name=${2%.service}
      name=${name#dsmil-}
      [[ $name =~ ^[a-z0-9-]+$ && -e $SOURCE/systemd/dsmil-$name.service ]] ||
        misused "--only $2: no such daemon; there are: $(daemon_names)"
      ONLY+=("$name")
      ;;
  esac
}

daemon_names() {
  local path names=()
  for path in "$SOURCE"/systemd/dsmil-*.service; do
    path=${path##*/dsmil-}
    case $path in *@* | redis*.service | hotpath-init.service) ;; *) names+=("${path%.service}") ;; esac
  done
  echo "${names[*]}"
}
