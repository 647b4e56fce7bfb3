# shellcheck shell=bash
# Places files, and remembers each with its digest in the manifest: so a file the operator edited is known from one
# that is as shipped, an edited one is never overwritten, and what is no longer shipped is taken away.
#
# ROOT is empty but in tests. Paths in the manifest and in the state are those of the machine, without ROOT.

: "${ROOT:=}"
HOME_DIR=/opt/dsmil
declare -A SHIPPED=() # path -> digest of what was placed, as the manifest says
declare -A PLACED=()  # path -> 1, in this run
declare -A STATE=()   # what else set-up remembers: choices, packages, directories, links, enabled units
CHANGED=()            # paths that changed and that no unit has taken up yet, by an earlier, broken run too

read_memory() {
  local digest path key value
  if [ -r "$ROOT$HOME_DIR/manifest" ]; then
    while IFS=' ' read -r digest path; do SHIPPED[$path]=$digest; done <"$ROOT$HOME_DIR/manifest"
  fi
  if [ -r "$ROOT$HOME_DIR/state" ]; then
    while IFS='=' read -r key value; do STATE[$key]=$value; done <"$ROOT$HOME_DIR/state"
  fi
  read -r -a CHANGED <<<"${STATE[pending]:-}"
}

digest() { sha256sum | cut -c1-64; }

sorted_lines() { if (($#)); then printf '%s\n' "$@" | LC_ALL=C sort; fi; }

save_lines() { # NAME LINE...: one file of set-up's memory, atomically
  local name=$1
  shift
  mkdir -p "$ROOT$HOME_DIR"
  sorted_lines "$@" >"$ROOT$HOME_DIR/$name.new"
  chmod 0644 "$ROOT$HOME_DIR/$name.new"
  sync "$ROOT$HOME_DIR/$name.new"
  mv -T "$ROOT$HOME_DIR/$name.new" "$ROOT$HOME_DIR/$name"
}

save_manifest() {
  local path lines=()
  for path in "${!SHIPPED[@]}"; do lines+=("${SHIPPED[$path]}  $path"); done
  save_lines manifest "${lines[@]}"
}

keep_state() { # KEY VALUE
  if ((DRY)) || [ "${STATE[$1]:-}" = "$2" ]; then return 0; fi
  STATE[$1]=$2
  local key lines=()
  for key in "${!STATE[@]}"; do
    if [ -n "${STATE[$key]}" ]; then lines+=("$key=${STATE[$key]}"); fi
  done
  save_lines state "${lines[@]}"
}

has_word() { [[ " $1 " == *" $2 "* ]]; } # WORDS WORD

add_state() { # KEY WORD
  if ! has_word "${STATE[$1]:-}" "$2"; then keep_state "$1" "${STATE[$1]:+${STATE[$1]} }$2"; fi
}

drop_state() { # KEY WORD
  local words=" ${STATE[$1]:-} "
  words=${words/" $2 "/ }
  words=${words# }
  keep_state "$1" "${words% }"
}

mark_changed() { # PATH: until start_units has brought it to the units, however often set-up is broken off
  CHANGED+=("$1")
  add_state pending "$1"
}

has_changed() { has_word "${CHANGED[*]}" "$1"; } # PATH

remember() { # PATH DIGEST
  if ((DRY)) || [ "${SHIPPED[$1]:-}" = "$2" ]; then return 0; fi
  SHIPPED[$1]=$2
  save_manifest
}

forget() { # PATH
  unset "SHIPPED[\$1]"
  save_manifest
}

make_parents() { # PATH: the directories above it, each remembered for the uninstall
  local parent=${1%/*}
  if [ -z "$parent" ] || [ -d "$ROOT$parent" ]; then return 0; fi
  make_parents "$parent"
  mkdir -m 0755 "$ROOT$parent"
  add_state directories "$parent"
}

write_file() { # MODE OWNER PATH TEXT
  make_parents "$3"
  local draft=$ROOT${3%/*}/.${3##*/}.new
  (umask 077 && printf '%s\n' "$4" >"$draft")
  if [ -z "$ROOT" ]; then chown "$2" "$draft"; fi
  chmod "$1" "$draft"
  sync "$draft" # or a power cut leaves an empty file, which would pass for an edited one
  mv -T "$draft" "$ROOT$3"
}

place() { # MODE OWNER PATH TEXT: TEXT is written without its last newline
  local path=$3 new old=''
  new=$(printf '%s\n' "$4" | digest)
  PLACED[$path]=1
  if [ -e "$ROOT$path" ]; then
    if [ ! -r "$ROOT$path" ]; then
      note "$path is not readable for this user, so it was not compared"
      return 0
    fi
    old=$(digest <"$ROOT$path")
  fi
  if [ "$old" = "$new" ]; then
    set_access "$1" "$2" "$path"
    drop_dist "$path"
  elif [ -n "$old" ] && [ "$old" != "${SHIPPED[$path]:-}" ]; then
    keep_edited "$@"
    return 0
  else
    mark_changed "$path"
    change "write $path" write_file "$@"
  fi
  remember "$path" "$new"
}

place_source() { # MODE OWNER PATH FILE: a file of the checkout
  local text
  text=$(<"$4")
  place "$1" "$2" "$3" "$text"
}

keep_edited() { # MODE OWNER PATH TEXT
  local path=$3 new
  new=$(printf '%s\n' "$4" | digest)
  line kept "$path: you edited it; $path.dist is what dsmil ships"
  PLACED[$path.dist]=1
  if [ ! -r "$ROOT$path.dist" ] || [ "$(digest <"$ROOT$path.dist")" != "$new" ]; then
    change "write $path.dist" write_file "$1" "$2" "$path.dist" "$4"
  fi
  remember "$path.dist" "$new"
}

drop_dist() { # PATH: the operator took our version
  if [ -n "${SHIPPED[$1.dist]:-}" ] && [ -e "$ROOT$1.dist" ]; then change "remove $1.dist" remove_file "$1.dist"; fi
}

remove_file() { # PATH
  rm -f -- "$ROOT$1"
  forget "$1"
}

set_access() { # MODE OWNER PATH: of a file as shipped
  if [ -n "$ROOT" ] || [ "$(stat -c '%a %U:%G' "$3")" = "${1#0} $2" ]; then return 0; fi
  change "set $3 to mode $1, owner $2" restore_access "$@"
}

restore_access() { # MODE OWNER PATH
  chown "$2" "$3"
  chmod "$1" "$3"
}

is_edited() { # PATH: whether it differs from what was placed
  [ -e "$ROOT$1" ] && [ "$(digest <"$ROOT$1")" != "${SHIPPED[$1]:-}" ]
}

make_directory() { # MODE OWNER PATH
  if [ -d "$ROOT$3" ]; then return 0; fi
  change "make $3" make_directory_now "$@"
}

make_directory_now() { # MODE OWNER PATH
  make_parents "$3"
  mkdir -m "$1" "$ROOT$3"
  if [ -z "$ROOT" ]; then chown "$2" "$3"; fi
  add_state directories "$3"
}
