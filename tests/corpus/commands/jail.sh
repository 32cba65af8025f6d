#!/bin/bash
# Runs one command in bash inside a jail and prints what became of it, as `key=value` lines.
#
# usage: jail.sh EMPTY_DIRECTORY HOW < COMMAND         HOW: script | terminal | next_login | check
#
# The jail, from outside in: an account without rights (65534, or the caller's own where the caller is
# not root), no new privileges, the lowest priority, a wall-clock limit; then namespaces of users,
# network (nothing but a loopback), mounts, processes (all die with the first one), IPC and host name;
# then a root of its own in memory: the host's /usr read-only, no host file besides, one writable
# folder /t of a few megabytes that is gone with the jail; then, for the command itself, no capability
# at all and limits of CPU, memory, processes, open files and file size. Each means is required: where
# one is missing the script fails before anything runs. `check` tells from inside what holds.
set -euo pipefail

outside() {
  local dir=$1 how=$2 here account=()
  here=$(cd "$(dirname "$0")" && pwd)
  for tool in setpriv prlimit unshare timeout nice pivot_root mount umount script ip; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$tool" > /dev/null || { echo "missing: $tool" >&2; exit 3; }
  done
  if ((EUID == 0)); then
    chown 65534:65534 "$dir"
    account=(--reuid=65534 --regid=65534 --clear-groups)
  fi
  # The stubs are read here: the account inside need not be able to read the checkout.
  JAIL_STUBS=$(cat "$here/stubs.sh") \
    exec nice -n 19 setpriv "${account[@]}" --no-new-privs --inh-caps=-all --bounding-set=-all \
    timeout --kill-after=1 15 setpriv --pdeathsig KILL \
    unshare --user --map-root-user --net --mount --pid --ipc --uts --fork --kill-child=KILL \
    /bin/bash -c "$(cat "$here/jail.sh")" jail-inside "$dir" "$how"
}

build_root() {
  local root=$1
  mount -t tmpfs -o size=24m,mode=755,nosuid none "$root"
  cd "$root"
  mkdir usr proc dev dev/pts etc etc/alternatives t stubs old srv srv/data
  mount --rbind -o ro /usr usr && mount -o remount,bind,ro,nosuid usr
  if [[ -d /etc/alternatives ]]; then
    mount --bind /etc/alternatives etc/alternatives
    mount -o remount,bind,ro etc/alternatives
  fi
  ln -s t tmp; ln -s usr/bin bin; ln -s usr/sbin sbin; ln -s usr/lib lib; ln -s usr/lib64 lib64
  mount -t proc -o nosuid,nodev,noexec proc proc
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0666 none dev/pts
  ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd; ln -s /proc/self/fd/0 dev/stdin
  ln -s /proc/self/fd/1 dev/stdout; ln -s /proc/self/fd/2 dev/stderr
  for node in null zero urandom random tty; do
    : > "dev/$node"; mount --bind "/dev/$node" "dev/$node"
  done
  echo 'nobody:x:65534:65534:nobody:/t:/bin/bash' > etc/passwd
  echo 'nogroup:x:65534:' > etc/group
  echo '127.0.0.1 localhost' > etc/hosts
  : > etc/manpath.config # man does not start without one
  printf '%s\n' "$JAIL_STUBS" > stubs/.all
  chmod 755 stubs/.all
  for name in $(bash stubs/.all --names); do ln -s .all "stubs/$name"; done
  mount -t tmpfs -o size=8m,mode=755,nosuid,nodev none t
  ip link set lo up
  mount -o remount,bind,ro "$root"
  cd "$root"
  pivot_root . old
  umount -l old
  cd /t
}

# What the command may have, and nothing else. No capability survives the second user namespace.
confined() {
  unshare --user --map-user=65534 --map-group=65534 \
    prlimit --cpu=4 --data=600000000 --nproc=96 --nofile=128 --fsize=2000000 --core=0 \
    env -i HOME=/t PATH=/stubs:/usr/bin:/bin TERM=dumb LC_ALL=C.UTF-8 "$@"
}

inside() {
  local how=$2
  COMMAND=$(cat; printf x); COMMAND=${COMMAND%x}
  build_root "$1"
  if [[ $how == check ]]; then
    confined /bin/bash --noprofile --norc -c "$COMMAND" < /dev/null
    exit
  fi
  case $how in
    script) confined timeout -k 1 5 /bin/bash --noprofile --norc -c "$COMMAND" ;;
    terminal)
      { sleep 0.3; printf '%s\n' "$COMMAND"; sleep 1; printf '\nexit\nexit\n'; sleep 0.3; } |
        confined timeout -k 1 6 script -qec 'bash --noprofile --norc -i' /dev/null ;;
    next_login)
      confined timeout -k 1 4 /bin/bash --noprofile --norc -c "$COMMAND" < /dev/null || true
      confined timeout -k 1 4 script -qec 'bash --login -ic :; bash -ic :' /dev/null ;;
    *) echo "unknown way to run: $how" >&2; exit 2 ;;
  esac < /dev/null > /t/.output 2>&1 && STATUS=0 || STATUS=$?
  # What was left in the background may still be about to run: wait while anybody but us lives.
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    [[ -e /t/ran ]] && break
    alive=(/proc/[0-9]*)
    ((${#alive[@]} == 1)) && break
    sleep 0.1
  done
  [[ -e /t/ran ]] && echo ran=yes || echo ran=no
  echo "status=$STATUS"
  [[ -e /t/.stubs ]] && echo "stubs=$(sort -u /t/.stubs | tr '\n' ' ')"
  head -c 300 /t/.output | tr -c '[:print:]' ' ' | sed 's/^/output=/'
  echo
}

if [[ $0 == jail-inside ]]; then inside "$@"; else outside "$@"; fi
