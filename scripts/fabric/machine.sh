# shellcheck shell=bash
# The machine: whether it can hold dsmil, its Debian packages, users, directories and kernel settings.

check_machine() {
  step checks 'see README, "Install as a service"'
  local name version family
  family="$(os_release ID) $(os_release ID_LIKE)"
  name=$(os_release PRETTY_NAME)
  has_word "$family" debian || unmet "$name is not Debian or Ubuntu" 'use Debian 12, Ubuntu 24.04 or newer'
  [ -d /run/systemd/system ] || unmet 'systemd does not run this machine' \
    'boot it with systemd; without, "make setup" and "dsmil up" run the whole suite in the foreground'
  version=$(systemctl --version 2>/dev/null | awk 'NR == 1 { print $2 }' || true)
  [ "${version:-0}" -ge 249 ] || unmet "systemd ${version:-none} is too old" 'dsmil needs systemd 249 or newer'
  if [ -x /usr/bin/python3 ]; then check_python; fi
  settled "$name, systemd ${version:-none}$(python_words)"
}

os_release() { sed -n "s/^$1=//p" /etc/os-release | tr -d '"'; } # KEY

check_python() {
  /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    unmet "$(/usr/bin/python3 -V) is too old" 'dsmil needs Python 3.11 or newer: Debian 12, Ubuntu 24.04'
}

python_words() { if [ -x /usr/bin/python3 ]; then echo ", $(/usr/bin/python3 -V)"; fi; }

bring_packages() {
  step packages 'see what apt-get said above; is the network there, and the package source of this release right?'
  local needed=(sqlite3=sqlite3) missing
  if own_redis; then needed+=(redis-server=redis-server); else needed+=(redis-cli=redis-tools); fi
  mapfile -t missing < <(PATH=$PATH:/usr/sbin missing_packages /usr/bin/python3 "${needed[@]}")
  if ((${#missing[@]})); then
    if [ -n "$WHEELHOUSE" ]; then
      unmet "missing without a network: ${missing[*]}" "install them from your own medium: apt-get install ${missing[*]}"
    fi
    change "install ${missing[*]}" bring_now "${missing[@]}"
    if has_word "${missing[*]}" redis-server; then
      note "the distribution's own redis-server.service is left disabled: dsmil runs a Redis of its own"
    fi
    if ((!DRY)); then check_python; fi
  fi
  settled "$(printf '%s ' python3 python3-venv "${needed[@]##*=}")are here"
}

bring_now() { # PACKAGE...
  quiet install_packages "$@"
  local package
  for package; do add_state packages "$package"; done
}

make_users() {
  step users 'systemd-sysusers /etc/sysusers.d/dsmil.conf says more'
  place_source 0644 root:root /etc/sysusers.d/dsmil.conf "$SOURCE/systemd/sysusers.d/dsmil.conf"
  local kind name rest missing=()
  while read -r kind name rest; do
    case $kind in
      u) if getent passwd "$name" >/dev/null; then check_user "$name"; else missing+=("user:$name"); fi ;;
      g) getent group "$name" >/dev/null || missing+=("group:$name") ;;
    esac
  done <"$SOURCE/systemd/sysusers.d/dsmil.conf"
  if ((${#missing[@]})); then change "add ${missing[*]}" add_users "${missing[@]}"; fi
  settled 'dsmil and dsmil-redis'
}

check_user() { # NAME: daemons must not run with what belongs to a person
  local id shell
  IFS=: read -r _ _ id _ _ _ shell < <(getent passwd "$1")
  case $shell in */nologin | */false) if ((id < 1000)); then return 0; fi ;; esac
  unmet "there is a user $1 already, and he can log in" "rename that account: usermod -l"
}

add_users() { # KIND:NAME...: remembered, for the uninstall removes none but these
  local one
  for one; do add_state users "$one"; done
  quiet systemd-sysusers /etc/sysusers.d/dsmil.conf
}

make_directories() {
  step directories 'systemd-tmpfiles --create /etc/tmpfiles.d/dsmil.conf says more'
  local data=/var/lib/dsmil
  if [ -L $data ]; then unmet "$data is a symbolic link" 'mount (or bind mount) the other place there instead'; fi
  if [ -d $data ] && [ "$(stat -c %U $data)" != dsmil ]; then
    change "give $data, left by an earlier installation, to dsmil" take_over $data
  fi
  place_source 0644 root:root /etc/tmpfiles.d/dsmil.conf "$SOURCE/systemd/tmpfiles.d/dsmil.conf"
  local kind path mode user group rest wrong=()
  while read -r kind path mode user group rest; do
    if [[ $kind != [dL] ]] || ! is_visible "$path"; then continue; fi
    case $kind in
      d) [ "$(stat -c '%a %U %G' "$path" 2>/dev/null)" = "${mode#0} $user $group" ] || wrong+=("$path") ;;
      L) [ -e "$path" ] || [ -L "$path" ] || wrong+=("$path") ;;
    esac
  done <"$SOURCE/systemd/tmpfiles.d/dsmil.conf"
  if ((${#wrong[@]})); then
    change "make ${wrong[*]}" quiet systemd-tmpfiles --create /etc/tmpfiles.d/dsmil.conf
  fi
  settled '/var/lib/dsmil, /run/dsmil, /var/log/dsmil'
}

is_visible() { # PATH: not what lies in a directory closed to this user
  local above=${1%/*}
  until [ -d "$above/" ]; do above=${above%/*}; done
  [ -x "$above/" ]
}

take_over() { # DIRECTORY: ids of a removed user may belong to anybody by now, so none is trusted
  chown -R -h dsmil:dsmil "$1"
  if [ -d "$1/redis" ]; then chown -R -h dsmil-redis:dsmil "$1/redis"; fi
  if [ -d "$1/etc.saved" ]; then chown -R -h root:root "$1/etc.saved"; fi
  chmod 2750 "$1"
}

set_kernel_and_journal() {
  step system 'see systemctl status systemd-sysctl systemd-journald'
  place_source 0644 root:root /etc/sysctl.d/60-dsmil.conf "$SOURCE/systemd/sysctl.d/60-dsmil.conf"
  if [ "$(</proc/sys/vm/overcommit_memory)" != 1 ]; then
    if [ ! -w /proc/sys/vm/overcommit_memory ] && systemd-detect-virt --quiet --container; then
      note "vm.overcommit_memory is the host's in a container: set it to 1 there"
    else
      change 'set vm.overcommit_memory = 1' quiet /usr/lib/systemd/systemd-sysctl /etc/sysctl.d/60-dsmil.conf
    fi
  fi
  local journal=/etc/systemd/journald.conf.d/60-dsmil.conf
  place_source 0644 root:root $journal "$SOURCE/systemd/journald.conf.d/60-dsmil.conf"
  if has_changed $journal; then
    change 'let the journal read its settings' quiet systemctl restart systemd-journald.service
  fi
  local file
  for file in "$SOURCE"/etc/logrotate.d/*; do
    if [ -f "$file" ]; then place_source 0644 root:root "/etc/logrotate.d/${file##*/}" "$file"; fi
  done
  settled 'kernel and journal settings'
}
