#!/bin/sh
# Records the first minute with Oxbow in a fresh home, for scripts/make-terminal-svg.ts: types as a person would into the built
# command line, which has no model and so talks to the offline interpreter, and prints the screens. Needs tmux, and `npm run build`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
mkdir "$place/bin" "$place/home" "$place/project"
printf '#!/bin/sh\nexec node "%s/bin/oxbow.js" "$@"\n' "$root" >"$place/bin/oxbow"
chmod +x "$place/bin/oxbow"
terminal() { tmux -L oxbow-first-minute -f /dev/null "$@"; }
trap 'terminal kill-server 2>/dev/null || :; HOME="$place/home" OXBOW_HOME="$place/home/.oxbow" "$place/bin/oxbow" stop >/dev/null 2>&1 || :; sleep 1; rm -rf "$place"' EXIT
screen() { printf '\f%s\n' "$1"; terminal capture-pane -e -p -t first; }
keys() { terminal send-keys -t first "$@"; }
# Waits until the screen has a text.
until_shown() {
  tries=0
  until terminal capture-pane -p -t first | grep -qF -- "$1"; do
    tries=$((tries + 1)); [ "$tries" -lt 300 ] || { echo "never shown: $1" >&2; exit 1; }
    sleep 0.1
  done
  sleep 1
}
terminal new-session -d -s first -x 96 -y 25 -c "$place/project" \
  "env HOME='$place/home' OXBOW_HOME='$place/home/.oxbow' PATH='$place/bin:$PATH' LANG=C.UTF-8 TERM=xterm-256color COLORFGBG='15;0' PS1='$ ' sh"
until_shown '$'
keys -l 'oxbow'; sleep 0.3; screen 1
keys Enter; until_shown 'Set one up now'; screen 2
keys Right Enter; until_shown 'Type a message'; screen 3
keys -l 'write "hello" to greeting.txt'; sleep 0.5; screen 1.5
keys Enter; until_shown 'a new file'; screen 3
keys -l 'run wc -c /shared/greeting.txt'; sleep 0.5; screen 1.5
# Keys do not answer a question that has just come.
keys Enter; until_shown 'Allow once'; sleep 3; screen 4
keys y; until_shown 'It ran'; screen 3
keys -l '/undo'; sleep 0.5; keys Enter; until_shown 'Enter chooses'; screen 3
keys Enter; until_shown 'Would change'; screen 4
keys Enter; sleep 3; screen 4
