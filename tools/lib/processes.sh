# The processes that a script starts beside itself: none is left running, and none has to be killed without a word about it.
#
# Sourced by tools/demo, of which it needs $run, the folder for logs and pids, and `fail MESSAGE`.

services=() # the pids of what runs beside the script, oldest first
attended=   # the pid of the command that the script waits for
started=    # what was seen to run below these, as lines of pid and command

# Runs a command so that a signal to this script does not have to wait for its end.
attend() { # command
  set -m
  "$@" </dev/null &
  attended=$!
  set +m
  local status=0
  wait "$attended" || status=$?
  attended=
  return "$status"
}

# Starts a program in a process group of its own, so that Ctrl-C reaches only this script, which then ends it.
serve() { # name, command
  local name=$1
  shift
  set -m
  "$@" </dev/null >"$run/$name.log" 2>&1 &
  set +m
  services+=("$!")
  printf '%s %s\n' "$!" "$name" >>"$run/pids"
}

# One that nobody has waited for yet is none any more.
alive() { [[ $(ps -o stat= -p "$1" 2>/dev/null || true) == [!Z]* ]]; } # pid

# Ends a process; fails if it has to be killed because it has not ended after ten seconds.
end() { # pid
  local args
  args=$(ps -ww -o args= -p "$1" 2>/dev/null || true)
  kill -TERM "$1" 2>/dev/null || return 0
  for _ in {1..100}; do
    alive "$1" || return 0
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null || true
  printf '\ndemo: had to be killed, as it had not ended ten seconds after SIGTERM: %s\n' "$args" >&2
  return 1
}

# These processes and all below them, as lines of pid and command.
family() { # pids
  ps -A -ww -o pid=,ppid=,args= | awk -v roots="$*" '
    { pid = $1; parent[pid] = $2; sub(/^ *[0-9]+ +[0-9]+ /, ""); args[pid] = $0 }
    END {
      count = split(roots, list, " ")
      for (i = 1; i <= count; i++) {
        if (list[i] in args) print list[i], args[list[i]]
        for (pid in parent) if (parent[pid] == list[i]) list[++count] = pid
      }
    }'
}

# Keeps in mind what runs: once its parent has ended, nothing tells any more that it belongs here.
remember() { started+=$(family ${services[@]+"${services[@]}"} $attended)$'\n'; }

# What was started and is still alive.
leftovers() { ps -A -ww -o pid=,args= | sed 's/^ *//' | grep -Fx -f <(printf '%s' "$started" | grep .) || true; }

# Ends everything, newest first; fails if something had to be killed, or is still alive after ten seconds.
end_all() {
  local i left status=0
  remember
  if [ -n "$attended" ]; then
    kill -TERM -- "-$attended" 2>/dev/null || true
  fi
  for ((i = ${#services[@]} - 1; i >= 0; i--)); do
    end "${services[i]}" || status=1
    wait "${services[i]}" 2>/dev/null || true
  done
  services=()
  for _ in {1..100}; do
    left=$(leftovers)
    [ -n "$left" ] || return "$status"
    sleep 0.1
  done
  printf '\ndemo: still alive:\n%s\n' "$left" >&2
  return 1
}

# Waits until a command succeeds.
until_ok() { # seconds, what, command
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    local pid
    for pid in ${services[@]+"${services[@]}"}; do
      alive "$pid" || fail "a program has ended too early; see $run/*.log"
    done
    [ "$SECONDS" -lt "$deadline" ] || fail "waited in vain until $what"
    sleep 0.2
  done
}

# Takes up what an earlier run has left up.
take_up() {
  [ -f "$run/pids" ] || return 0
  local pid name
  while read -r pid name; do
    # The number may belong to another program by now.
    if [[ $(ps -o args= -p "$pid" 2>/dev/null || true) == *"$name"* ]]; then
      services+=("$pid")
    fi
  done <"$run/pids"
}

# Ends what an earlier run with KEEP=1 left up.
stop() {
  take_up
  [ "${#services[@]}" -gt 0 ] || fail "nothing is up"
  local status=0
  end_all || status=1
  rm -f "$run/pids"
  [ "$status" -eq 0 ] || fail "not everything has ended in order"
  echo "The demo is stopped."
}
