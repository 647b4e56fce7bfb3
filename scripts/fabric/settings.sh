# shellcheck shell=bash
# Settings in /etc/dsmil: dsmil's own, those of Redis, passwords and what each Redis user may do.

ETC=/etc/dsmil
MACHINE_CONF=$ETC/redis.d/10-machine.conf
PORT_CONF=/etc/systemd/system/dsmil-redis-admit.service.d/50-port.conf
NETWORK_CONF=/etc/systemd/system/dsmil-.service.d/50-redis.conf

own_redis() { [ "${CHOSEN_REDIS:-yes}" = yes ]; }

choose() { # what this run was told, else what an earlier one was
  CHOSEN_REDIS=${WANT_REDIS:-${STATE[redis]:-yes}}
  CHOSEN_PORT=${WANT_PORT:-${STATE[port]:-yes}}
  CHOSEN_ONLY=${STATE[only]:-}
  local name
  if ((WANT_ALL)) || { ((${#ONLY[@]})) && [ "${STATE[all]:-}" = yes ]; }; then
    CHOSEN_ONLY=''
    if ((${#ONLY[@]} && !WANT_ALL)); then note 'every daemon is installed already: --only leaves it at that'; fi
  else
    if has_word "$CHOSEN_ONLY" exporter; then CHOSEN_ONLY=${CHOSEN_ONLY/exporter/api}; fi # which serves the metrics now
    for name in "${ONLY[@]}"; do has_word "$CHOSEN_ONLY" "$name" || CHOSEN_ONLY+=${CHOSEN_ONLY:+ }$name; done
  fi
  if own_redis; then
    if [ -n "${REDIS_URL:-}" ]; then note 'REDIS_URL is not heeded: without --no-redis dsmil runs a Redis of its own'; fi
  else
    [[ $(foreign_url) =~ ^(redis|unix)://[^\"\\[:space:]]+$ ]] || fail 'which Redis? REDIS_URL names none' \
      'sudo REDIS_URL=redis://192.0.2.7:6379/0 ./scripts/setup_data_fabric.sh --no-redis'
  fi
  keep_choices
}

keep_choices() {
  keep_state redis "$CHOSEN_REDIS"
  keep_state port "$CHOSEN_PORT"
  keep_state only "$CHOSEN_ONLY"
  keep_state all "$([ -n "$CHOSEN_ONLY" ] || echo yes)"
}

write_settings() {
  step settings 'look at the file it names; "dsmil config check" tells what is wrong in it'
  local path
  make_directory 0755 root:root $ETC
  make_directory 0755 root:root $ETC/conf.d
  make_directory 0750 root:dsmil $ETC/instances
  place_source 0644 root:root $ETC/dsmil.toml "$SOURCE/etc/dsmil.toml"
  place_source 0644 root:root $ETC/conf.d/10-installed.toml "$SOURCE/etc/installed.toml"
  for path in "$SOURCE"/etc/rules.d/*.toml; do
    place_source 0644 root:root "$ETC/rules.d/${path##*/}" "$path"
  done
  for path in prometheus/dsmil.yml prometheus/dsmil.rules.yml grafana/dsmil.json runbook.md; do
    place_source 0644 root:root "$ETC/$path" "$SOURCE/etc/$path" # for whoever watches with these; nothing of ours reads them
  done
  if own_redis; then write_redis_settings; else write_foreign_redis; fi
  if ! graph_is_kept; then
    place 0644 root:root $ETC/conf.d/15-no-projector.toml '# Written by set-up --only: without the projector nobody makes GRAPH_EVENTS, and who publishes there waits for it.
[l3]
graph = false
[l4]
graph = false'
  fi
  if [ -d /var/lib/dsmil/etc.saved ] && has_changed $ETC/dsmil.toml; then
    note 'settings of an earlier installation lie in /var/lib/dsmil/etc.saved'
  fi
  settled $ETC
}

graph_is_kept() { # by the projector here, or by one elsewhere on a Redis of others
  ! own_redis || [ -z "$CHOSEN_ONLY" ] || has_word "$CHOSEN_ONLY" projector
}

write_redis_settings() {
  make_directory 0755 root:root $ETC/redis.d
  place_source 0644 root:root $ETC/redis.conf "$SOURCE/etc/redis.conf"
  local memory_mb=$(($(memory_kb) / 4 / 1024 / 64 * 64))
  ((memory_mb >= 256)) || memory_mb=256
  place 0644 root:root $MACHINE_CONF "# Written by set-up for this machine. Settings of your own: 90-local.conf beside it, which is read later.
# A quarter of the memory; when it is full, producers wait until the drainer has trimmed.
maxmemory ${memory_mb}mb"
  if [ "$CHOSEN_PORT" = no ] || port_taken; then
    place 0644 root:root $PORT_CONF '# Written by set-up: --no-port, or another server has port 6379.
[Service]
Environment=LOOK_PORT=0'
  fi
}

memory_kb() { awk '$1 == "MemTotal:" { print $2 }' "$ROOT/proc/meminfo"; }

port_taken() { # by another than our own Redis
  local users
  # 18EB is 6379, state 0A is listening; the user is in column 8.
  users=$({ cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true; } | awk '$2 ~ /:18EB$/ && $4 == "0A" { print $8 }')
  if [ -n "$users" ]; then ! grep -qxF "$(id -u dsmil-redis 2>/dev/null || echo none)" <<<"$users"; else
    ! has_word "${STATE[packages]:-}" redis-server && systemctl is-enabled --quiet redis-server.service 2>/dev/null
  fi
}

write_passwords() {
  step passwords 'run /opt/dsmil/current/bin/python -m dsmil.fabric.acl --make --credentials /etc/dsmil/credentials'
  if ! own_redis; then
    settled 'none: the Redis of REDIS_URL has its own'
    return 0
  fi
  make_directory 0750 root:dsmil $ETC/credentials
  if ((DRY)); then
    if [ -e $ETC/users.acl ]; then
      settled 'one for each user of Redis (a dry run does not compare them)'
    else
      change 'make a password for each user of Redis, and the list of what each may do' true
    fi
    return 0
  fi
  local before text after
  before=$(password_names)
  text=$(run_module dsmil.fabric.acl --make --credentials $ETC/credentials)
  after=$(password_names)
  find $ETC/credentials -type f ! -name operator \( ! -user root -o ! -group root -o ! -perm 0400 \) \
    -exec chown root:root {} + -exec chmod 0400 {} +
  if [ -e $ETC/credentials/exporter ]; then # of an earlier version; the api took its work
    change 'remove the password of exporter, who is no more' rm -f -- $ETC/credentials/exporter
  fi
  if [ "$before" != "$after" ]; then
    mark_changed $ETC/credentials
    change "make passwords: $(comm -13 <(echo "$before") <(echo "$after") | paste -sd ' ')" true
  fi
  set_access 0640 root:dsmil $ETC/credentials/operator
  place 0400 dsmil-redis:dsmil $ETC/users.acl "$text"
  settled 'one for each user of Redis'
}

password_names() { find $ETC/credentials -type f -printf '%f\n' | LC_ALL=C sort; }

foreign_url() { # where the Redis is that is not ours: told now, or before
  if [ -n "${REDIS_URL:-}" ]; then
    echo "$REDIS_URL"
  else
    { cat "$ROOT$ETC"/conf.d/20-redis.toml "$ROOT$ETC"/conf.d/*.toml "$ROOT$ETC/dsmil.toml" 2>/dev/null || true; } |
      sed -n 's/^url *= *"\(..*\)"/\1/p' | awk 'NR == 1'
  fi
}

write_foreign_redis() {
  local url walls='' group
  url=$(foreign_url)
  place 0640 root:dsmil $ETC/conf.d/20-redis.toml "# Written by set-up --no-redis. A password in the address is why only root and group dsmil read this.
[redis]
url = \"$url\"
username = \"\"
password_file = \"\""
  if [[ $url == redis://* ]]; then
    walls=$'# It is reached by TCP.\nPrivateNetwork=no\nRestrictAddressFamilies=AF_INET AF_INET6\nIPAddressDeny=\nIPAddressAllow=any'
  elif group=$(stat -c %G "$(sed 's|^unix://||; s|?.*||' <<<"$url")" 2>/dev/null) && [[ $group != @(root|dsmil) ]]; then
    walls="# The group of its socket."$'\n'"SupplementaryGroups=$group"
  fi
  place 0644 root:root $NETWORK_CONF "# Written by set-up --no-redis: the Redis of $ETC/conf.d/20-redis.toml instead of dsmil-redis, by the user that
# its address names. For a user each: \`/opt/dsmil/current/bin/python -m dsmil.fabric.acl --make --credentials DIR\` prints
# them for that server's ACL file and leaves their passwords in DIR.
[Service]
LoadCredential=
UnsetEnvironment=DSMIL_REDIS_USERNAME
$walls"
}
