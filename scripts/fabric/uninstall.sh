# shellcheck shell=bash
# Takes everything away that set-up placed. Recorded events stay in /var/lib/dsmil, readable for root alone, unless
# --purge takes them too; settings the operator edited are saved there first.

SAVED=/var/lib/dsmil/etc.saved

uninstall() {
  if ((PURGE)); then refuse_mounts; fi
  stop_all
  if ((!PURGE)); then save_edited; fi
  remove_placed
  remove_users
  remove_data
  if ((!DRY)); then rm -f /run/dsmil-setup.lock; fi
}

refuse_mounts() {
  step data 'unmount it first'
  local mounts
  mounts=$(findmnt -rno TARGET | grep -E '^/var/lib/dsmil(/|$)' | paste -sd ' ' || true)
  if [ -n "$mounts" ]; then unmet "mounted there: $mounts" "umount $mounts; then what lies on it is yours to remove"; fi
}

installed_units() { # those that were placed, and instances that run
  local path unit
  {
    for path in "${!SHIPPED[@]}"; do
      unit=${path##*/}
      if [[ $path == "$UNIT_DIR/$unit" && $unit != *@* && $unit == *.@(service|socket|target|mount) && -e $path ]]; then
        printf '%s\n' "$unit"
      fi
    done
    systemctl list-units --all --plain --no-legend 'dsmil-*@*.service' 2>/dev/null | awk '$1 !~ /^dsmil-alert@/ && $2 == "loaded" { print $1 }' || true
    find /etc/systemd/system/*.wants -name 'dsmil-*@*.service' -printf '%f\n' 2>/dev/null || true
  } | sort -u
}

stop_all() {
  step services 'systemctl status names what does not stop'
  local units
  mapfile -t units < <(installed_units)
  if ((${#units[@]})); then change "stop and disable ${units[*]}" stop_now "${units[@]}"; fi
  settled 'none is installed'
}

stop_now() { # UNIT...
  systemctl stop dsmil.target 2>/dev/null || true
  local unit
  for unit; do if [ "$unit" != "$MOUNT" ]; then quiet systemctl stop "$unit"; fi; done
  systemctl disable "$@" >/dev/null 2>&1 || true # what has no [Install] is no fault here
  if own_mount; then
    systemctl stop "$MOUNT" 2>/dev/null || true
  else
    rm -f /mnt/dsmil-ram/hotpath.db*
  fi
  systemctl reset-failed "$@" 2>/dev/null || true
}

edited_paths() { # what the operator changed or added; passwords are not among it
  local path
  {
    find "$ETC" -path "$ETC/credentials" -prune -o -type f ! -name '*.dist' -print 2>/dev/null || true
    find /etc/systemd/system/dsmil*.d /etc/systemd/system/mnt-dsmil*.d -type f 2>/dev/null || true
    for path in "${!SHIPPED[@]}"; do if [[ $path == /etc/* && $path != *.dist ]]; then printf '%s\n' "$path"; fi; done
  } | sort -u | while IFS= read -r path; do
    if is_edited "$path"; then printf '%s\n' "$path"; fi
  done
}

save_edited() {
  step settings "copy what you need of $ETC yourself"
  local paths path
  mapfile -t paths < <(edited_paths)
  for path in "${paths[@]}"; do change "save $path in $SAVED" save_now "$path"; done
  settled 'none was edited'
}

save_now() { # PATH
  if [ ! -d "$SAVED" ]; then install -d -m 0700 "$SAVED"; fi
  mkdir -p "$SAVED/$(dirname "${1#/etc/}")"
  cp -p "$1" "$SAVED/${1#/etc/}"
}

remove_placed() {
  step files 'remove what it names by hand, then run this again'
  local path there=()
  # Units of others may bear a name like ours: what was placed goes, and what `systemctl edit` put beside.
  for path in ${STATE[links]:-} "${!SHIPPED[@]}" $(made_directories) $UNIT_DIR/{dsmil*,mnt-dsmil*}.d; do
    if [ -e "$path" ] || [ -L "$path" ]; then there+=("$path"); fi
  done
  if ((${#there[@]})); then
    change "remove ${#there[@]} files and directories: $ETC, $HOME_DIR, units and the like" remove_now "${there[@]}"
    if has_word "${there[*]}" /etc/systemd/journald.conf.d/60-dsmil.conf; then
      change 'let the journal read its settings' quiet systemctl restart systemd-journald.service
    fi
  fi
  settled 'none is left'
}

made_directories() { # those that are ours as a whole, if anything was installed
  if [ -e "$HOME_DIR/state" ]; then echo "$ETC $HOME_DIR" /run/dsmil /run/dsmil-redis /var/log/dsmil; fi
}

remove_now() { # PATH...
  rm -rf -- "$@"
  local directory
  # The deepest first; what holds something of others stays.
  for directory in $(tr ' ' '\n' <<<"${STATE[directories]:-}" | sort -r); do
    [ "$directory" = /var/lib/dsmil ] || rmdir "$directory" 2>/dev/null || true
  done
  if own_mount && [ -d /mnt/dsmil-ram ]; then rmdir /mnt/dsmil-ram 2>/dev/null || true; fi
  systemctl daemon-reload 2>/dev/null || true
}

remove_users() {
  step users 'userdel and groupdel say who still uses them'
  local name
  for name in dsmil-redis dsmil; do
    if is_ours "user:$name" && getent passwd "$name" >/dev/null; then change "remove user $name" quiet userdel "$name"; fi
  done
  if is_ours group:dsmil && getent group dsmil >/dev/null; then change 'remove group dsmil' quiet groupdel dsmil; fi
  settled 'dsmil and dsmil-redis are gone'
}

is_ours() { has_word "${STATE[users]:-}" "$1"; } # KIND:NAME

remove_data() {
  step data 'rm -r /var/lib/dsmil'
  if [ ! -d /var/lib/dsmil ]; then
    settled '/var/lib/dsmil is gone'
  elif ((PURGE)); then
    change 'remove /var/lib/dsmil, every recorded event' quiet rm -rf --one-file-system -- /var/lib/dsmil
  else
    if [ "$(stat -c '%a %U' /var/lib/dsmil)" != '700 root' ]; then
      change 'close /var/lib/dsmil to all but root, for its owner is no more' close_data
    fi
    note '/var/lib/dsmil stays: every recorded event (--uninstall --purge removes it)'
  fi
  if [ -n "${STATE[packages]:-}" ]; then
    note "Debian packages that came with dsmil stay; redis-server.service stays disabled: apt-get purge ${STATE[packages]}"
  fi
}

close_data() {
  chown root:root /var/lib/dsmil
  chmod 00700 /var/lib/dsmil # five digits take the group bit away too
}
