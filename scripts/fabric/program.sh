# shellcheck shell=bash
# The program: one virtual environment a release, named by what went into it, and `current` pointing to the one that
# runs. A release is built beside the running one, so a failed build changes nothing.

CURRENT=/opt/dsmil/current

install_program() {
  step program 'the installation that runs is untouched; is there room in /opt, and the network? Without one: --offline DIR (--help)'
  RELEASE=/opt/dsmil/releases/$(release_id)
  if [ ! -e "$RELEASE/ready" ]; then change "build $RELEASE" build_release; fi
  if [ "$(readlink "$CURRENT")" != "$RELEASE" ]; then
    mark_changed $CURRENT # first: broken off in between, the next run still restarts what runs the old one
    change "let $CURRENT point to it" switch_release
  fi
  settled "$RELEASE"
}

release_id() { # 12 hex digits of the sources and the Python they run on
  (
    cd "$SOURCE" || exit 1
    /usr/bin/python3 -V 2>/dev/null || echo none
    find pyproject.toml dsmil sql etc -type f ! -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  ) | digest | cut -c1-12
}

build_release() {
  local copy from=()
  copy=$(mktemp -d) # pip writes beside what it builds, and the checkout may be read-only
  CLEAN+=("$copy" "$RELEASE")
  cp -r "$SOURCE"/{pyproject.toml,README.md,LICENSE,dsmil,sql,etc} "$copy"
  find "$copy" -name __pycache__ -prune -exec rm -rf {} +
  rm -rf "$RELEASE"
  make_parents "$RELEASE"
  quiet /usr/bin/python3 -m venv "$RELEASE"
  if [ -n "$WHEELHOUSE" ]; then from=(--no-index --find-links "$WHEELHOUSE"); fi
  quiet "$RELEASE/bin/python" -m pip install --no-input --no-cache-dir --disable-pip-version-check "${from[@]}" "$copy"
  quiet "$RELEASE/bin/python" -m compileall -q "$RELEASE"/lib/python3*/site-packages/dsmil
  quiet "$RELEASE/bin/dsmil" --version
  sync -f "$RELEASE" # a power cut must not leave a release that says ready and is empty
  touch "$RELEASE/ready"
  CLEAN=("$copy")
}

switch_release() {
  ln -sfn "$RELEASE" "$CURRENT.new"
  mv -T "$CURRENT.new" "$CURRENT"
}

remove_old_releases() { # only once the new one runs
  step releases 'remove the old ones under /opt/dsmil/releases by hand'
  local old
  for old in /opt/dsmil/releases/*; do
    if [ ! -d "$old" ] || [ "$old" = "$RELEASE" ]; then continue; fi
    if grep -qsF "$old/" /proc/[0-9]*/maps; then
      note "$old stays: something still runs from it"
    else
      change "remove $old" rm -rf -- "$old"
    fi
  done
  settled 'none but the one that runs'
}

has_program() { [ -x $CURRENT/bin/python ] && [ "$(readlink $CURRENT)" = "$RELEASE" ]; } # the one of this checkout

run_module() { # MODULE ARGUMENT...
  PYTHONDONTWRITEBYTECODE=1 "$CURRENT/bin/python" -I -m "$@"
}

give_to_shells() {
  step shell 'see what "dsmil completion bash" and "/opt/dsmil/current/bin/python -m dsmil.cli.man" say'
  place_link /usr/local/bin/dsmil $CURRENT/bin/dsmil
  local share=/usr/local/share text
  if ((DRY)) && ! has_program; then
    if [ -e $share/man/man1/dsmil.1 ]; then
      note 'the new program writes its own man page and completions'
    else
      change 'write the man page and the completions of bash, zsh and fish' true
    fi
    return 0
  fi
  text=$(run_module dsmil.cli.man)
  place 0644 root:root $share/man/man1/dsmil.1 "$text"
  place_completion bash $share/bash-completion/completions/dsmil
  place_completion zsh $share/zsh/site-functions/_dsmil
  place_completion fish $share/fish/vendor_completions.d/dsmil.fish
  settled 'dsmil on PATH, man page, completions'
}

place_completion() { # SHELL PATH
  local text
  text=$(run_module dsmil.cli completion "$1")
  place 0644 root:root "$2" "$text"
}

place_link() { # PATH TARGET
  if [ "$(readlink "$1")" = "$2" ]; then return 0; fi
  if [ -e "$1" ] || [ -L "$1" ]; then fail "$1 is there already and not ours" "move it away, then run this again"; fi
  change "link $1" link_now "$@"
}

link_now() { # PATH TARGET
  make_parents "$1"
  ln -s "$2" "$1"
  add_state links "$1"
}