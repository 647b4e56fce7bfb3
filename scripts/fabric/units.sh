# shellcheck shell=bash
# The units: placed, enabled once (who disables one later means it), and only those restarted whose files or program
# changed. The end is reached when each is active.

UNIT_DIR=/etc/systemd/system
MOUNT='mnt-dsmil\x2dram.mount'
ADMIT=dsmil-redis-admit.service # opens the look-only port after each start of Redis, and ends
WAIT_S=120
UNITS=() # files below systemd/, in order of name

own_mount() { ! grep -Eqs '^[^#[:space:]]+[[:space:]]+/mnt/dsmil-ram/?[[:space:]]' "$ROOT/etc/fstab"; }

list_units() {
  local path
  mapfile -t UNITS < <(cd "$SOURCE/systemd" && find . -maxdepth 2 \( -name '*.service' -o -name '*.socket' -o \
    -name '*.target' -o -name '*.mount' -o -path './*.service.d/*.conf' \) -type f -printf '%P\n' | LC_ALL=C sort)
  local kept=()
  for path in "${UNITS[@]}"; do if is_wanted "$path"; then kept+=("$path"); fi; done
  UNITS=("${kept[@]}")
}

is_wanted() { # FILE
  case $1 in
    dsmil-redis.service* | dsmil-redis-admit.service) own_redis ;;
    "$MOUNT"*) own_mount ;;
    dsmil.target | dsmil-.service.d/* | dsmil-hotpath-init.service | dsmil-alert@.service) true ;;
    *) [ -z "$CHOSEN_ONLY" ] || has_word "$CHOSEN_ONLY" "$(daemon_of "$1")" ;;
  esac
}

daemon_of() { # FILE: dsmil-rf-ingest@.service is of rf-ingest
  local name=${1#dsmil-}
  name=${name%.*}
  echo "${name%@}"
}

place_units() {
  step units 'systemd-analyze verify names what is wrong in a unit'
  local path
  list_units
  if own_mount; then
    place_size
  else
    note '/mnt/dsmil-ram stands in /etc/fstab: that line is kept, and no mount unit of ours is placed'
    place 0644 root:root /etc/tmpfiles.d/dsmil-fstab.conf '# /mnt/dsmil-ram comes from /etc/fstab: whatever that line says, the daemons and group dsmil can write there.
z /mnt/dsmil-ram 2770 dsmil dsmil -'
  fi
  for path in "${UNITS[@]}"; do place_source 0644 root:root "$UNIT_DIR/$path" "$SOURCE/systemd/$path"; done
  if [ -n "$CHOSEN_ONLY" ] && ! has_word "$CHOSEN_ONLY" drainer; then
    note 'without the drainer nothing is audited or trimmed on this machine (--only drainer adds it)'
  fi
  if ! graph_is_kept; then
    note 'without the projector there is no graph on this machine (--only projector adds it)'
  fi
  settled "${#UNITS[@]} files as shipped"
}

place_size() {
  local file="$UNIT_DIR/$MOUNT.d/50-size.conf" options size
  size=${TMPFS_SIZE:-$(sed -n 's/.*[=,]size=\([^,]*\).*/\1/p' "$ROOT$file" 2>/dev/null || true)}
  size=${size:-$(default_size)}
  options=$(sed -n 's/^Options=//p' "$SOURCE/systemd/$MOUNT" | sed 's/,size=[^,]*//')
  if kernel_at_least 6 4; then options+=,noswap; fi
  place 0644 root:root "$file" "# Written by set-up for this machine; setup_data_fabric.sh --tmpfs-size changes it.
[Mount]
Options=$options,size=$size"
  line size "/mnt/dsmil-ram: $size of memory at most, taken only as it fills"
}

default_size() { # a quarter of the memory, at most 4G
  local quarter_mb=$(($(memory_kb) / 4 / 1024))
  if ((quarter_mb >= 4096)); then echo 4G; else echo "${quarter_mb}M"; fi
}

kernel_at_least() { # MAJOR MINOR
  local major minor rest
  IFS=.- read -r major minor rest < <(uname -r)
  ((major > $1 || (major == $1 && minor >= $2)))
}

remove_unshipped() { # what an older version placed, or another choice
  step leftovers 'remove what it names by hand, then run this again'
  local path unit
  for path in "${!SHIPPED[@]}"; do
    if [ -n "${PLACED[$path]:-}" ] || ! is_prunable "$path"; then continue; fi
    if [ -e "$ROOT$path" ] && is_edited "$path"; then
      line kept "$path: no longer part of dsmil, but you edited it"
      continue
    fi
    unit=${path#"$UNIT_DIR/"}
    if [[ $path == "$UNIT_DIR"/* && $unit != */* && $unit != *@* ]]; then
      change "stop and disable $unit" quiet systemctl disable --now "$unit"
      drop_state enabled "$unit"
    fi
    mark_changed "$path"
    change "remove $path" remove_file "$path"
  done
  settled 'none of an older version'
}

is_prunable() { # PATH: a dry run may not see what the program makes
  case $1 in "$ETC/users.acl"*) ! own_redis ;; /usr/local/*) false ;; *) true ;; esac
}

unit_names() { # those that run, sockets and target included
  local path
  for path in "${UNITS[@]}"; do
    if [[ $path != */* && $path != *@.service && $path != "$ADMIT" ]]; then echo "$path"; fi
  done
}

start_units() {
  step services 'journalctl -u dsmil-NAME -n 50 says why; then run this again'
  local unit enable=() running=() restart=() start=()
  if something_changed "$UNIT_DIR/*"; then change 'let systemd read the units' quiet systemctl daemon-reload; fi
  for unit in $(unit_names); do
    if ! has_word "${STATE[enabled]:-}" "$unit" && grep -q '^\[Install\]' "$SOURCE/systemd/$unit"; then enable+=("$unit"); fi
  done
  if ((${#enable[@]})); then change "enable ${enable[*]}" enable_units "${enable[@]}"; fi
  for unit in $(unit_names); do
    if ! has_word "${enable[*]}" "$unit" && is_left_out "$unit"; then
      note "$unit is disabled and stays so (systemctl enable --now $unit)"
      continue
    fi
    running+=("$unit")
    if ! systemctl is-active --quiet "$unit" 2>/dev/null; then start+=("$unit"); elif needs_restart "$unit"; then restart+=("$unit"); fi
  done
  if something_changed "$UNIT_DIR/mnt-dsmil*" && systemctl is-active --quiet "$MOUNT"; then
    change 'give /mnt/dsmil-ram its options' quiet systemctl reload "$MOUNT"
  fi
  if ! own_mount; then use_fstab_mount; fi
  if admits_anew "${restart[@]}" "${start[@]}"; then start+=("$ADMIT"); fi
  # One transaction, so that the order among the units holds.
  for unit in $(running_instances); do restart+=("$unit"); done
  if ((${#restart[@]})); then change "restart ${restart[*]}" run_units restart "${restart[@]}"; fi
  if ((${#start[@]})); then change "start ${start[*]}" run_units start "${start[@]}"; fi
  if ((!DRY)); then wait_for "${running[@]}"; fi
  keep_state pending ''
  settled "${#running[@]} units are active"
}

use_fstab_mount() {
  if ! mountpoint -q /mnt/dsmil-ram; then change 'mount /mnt/dsmil-ram' mount_fstab; fi
  if [ "$(stat -c '%a %U:%G' /mnt/dsmil-ram 2>/dev/null)" != '2770 dsmil:dsmil' ]; then
    change 'give /mnt/dsmil-ram to group dsmil' quiet systemd-tmpfiles --create /etc/tmpfiles.d/dsmil-fstab.conf
  fi
}

mount_fstab() {
  quiet systemctl daemon-reload # the line may be new
  quiet systemctl start "$MOUNT"
}

admits_anew() { # UNIT...: those to be started
  own_redis && { has_word "$*" dsmil-redis.service || daemons_changed || something_changed "$UNIT_DIR/$ADMIT*" ||
    systemctl is-failed --quiet "$ADMIT" 2>/dev/null; }
}

enable_units() { # UNIT...
  local unit
  quiet systemctl enable "$@"
  for unit; do add_state enabled "$unit"; done
}

is_left_out() { # UNIT: disabled or masked by the operator
  case $(systemctl is-enabled "$1" 2>/dev/null) in disabled | masked*) true ;; *) false ;; esac
}

needs_restart() { # UNIT that runs
  if something_changed "$UNIT_DIR/$1" "$UNIT_DIR/$1.d/*"; then return 0; fi
  case $1 in
    dsmil.target | "$MOUNT") false ;;
    dsmil-redis.service) something_changed "$ETC/redis*" "$ETC/users.acl" "$UNIT_DIR/dsmil-.service.d/*" "$PORT_CONF" ;;
    *.service) daemons_changed || something_changed "$UNIT_DIR/dsmil-.service.d/*" ;;
    *) false ;;
  esac
}

daemons_changed() { something_changed "$CURRENT" "$ETC/*.toml" "$ETC/credentials"; }

something_changed() { # PATTERN...
  local path pattern
  for path in "${CHANGED[@]}"; do
    for pattern; do
      # shellcheck disable=SC2053 # a pattern is meant
      if [[ $path == $pattern ]]; then return 0; fi
    done
  done
  return 1
}

running_instances() { # of templates: the program they run changed too
  if daemons_changed || something_changed "$UNIT_DIR/*@*"; then
    systemctl list-units --plain --no-legend --state=active 'dsmil-*@*.service' | awk '{ print $1 }'
  fi
}

run_units() { # VERB UNIT...: who fails is told by wait_for
  systemctl reset-failed "${@:2}" 2>/dev/null || true
  quiet systemctl --no-block "$@"
}

wait_for() { # UNIT...: all of them at each look, for whoever waits hangs on one that cannot
  local unit deadline=$((SECONDS + WAIT_S)) waiting
  local -A restarts=()
  for unit; do restarts[$unit]=$(unit_says "$unit" NRestarts); done
  while :; do
    waiting=()
    for unit; do
      if systemctl is-active --quiet "$unit" && ! has_job "$unit"; then continue; fi
      waiting+=("$unit")
      # Whatever falls over and over never counts as failed, and what waits for a failed socket is not even tried.
      if systemctl is-failed --quiet "$unit" || (($(unit_says "$unit" NRestarts) > restarts[$unit] + 2)); then fail_unit "$unit"; fi
    done
    if ((${#waiting[@]} == 0)); then break; fi
    for unit in "${waiting[@]}"; do if is_given_up "$unit"; then fail_unit "$unit"; fi; done
    if ((SECONDS > deadline)); then fail_unit "${waiting[0]}"; fi
    sleep 0.2
  done
  while has_job "$ADMIT" && ((SECONDS <= deadline)); do sleep 0.2; done
  if systemctl is-failed --quiet "$ADMIT"; then fail_unit "$ADMIT"; fi
}

unit_says() { # UNIT PROPERTY: a number, 0 where it has none
  local value
  value=$(systemctl show -p "$2" --value "$1" 2>/dev/null || true)
  echo "${value:-0}"
}

has_job() { [ -n "$(systemctl show -p Job --value "$1")" ]; } # UNIT: something is still to be done with it

is_given_up() { # UNIT: inactive, and nobody is about to start it
  [ "$(systemctl show -p ActiveState --value "$1")" = inactive ] && ! has_job "$1"
}

fail_unit() { # UNIT
  local words place socket=${1%.*}.socket
  if systemctl is-failed --quiet "$socket"; then # what waits for it is not even tried
    place=$(systemctl show -p Listen --value "$socket" | paste -sd ' ' || true)
    fail "$socket failed: somebody else has ${place:-its port}" \
      "ss -lntup names him; free it, or systemctl edit $socket names another; then run this again"
  fi
  words=$(journalctl -q _SYSTEMD_INVOCATION_ID="$(systemctl show -p InvocationID --value "$1")" -p err -n 1 -o cat \
    --no-pager 2>/dev/null || true)
  words=${words:-$(journalctl -q -u "$1" -p warning -n 1 -o cat --no-pager 2>/dev/null || true)}
  fail "$1 is $(systemctl is-active "$1" || true): ${words:-it says nothing}" \
    "journalctl -u ${1%.service} -n 50 says more; then run this again, or the set-up of the former version"
}
