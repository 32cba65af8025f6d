#!/bin/bash
# Stand-ins for tools that the jail has not: each runs what the real tool would run, here instead of
# on the other host, in the container or as the other user, and notes its name in /t/.stubs so that
# the truth says which verdicts rest on a stand-in. Where the real tool hands a joined line to a
# shell (ssh, watch, su -c), so does the stand-in; where it executes an argument list (kubectl exec,
# docker run), so does the stand-in. They read options only as far as the templates need.

NAMES="ssh sudo doas pkexec su runuser chroot nsenter ip kubectl oc docker podman nerdctl crictl
lxc crontab at batch systemd-run systemd-inhibit parallel curl wget mysql mariadb psql rsync busybox
toybox zsh ksh fish ruby php lua pwsh ansible salt pdsh clush vagrant gcloud az aws screen
xterm helm consul gosu su-exec tini dumb-init entr direnv poetry pipenv uv npx npm conda setuidgid
proxychains4 firejail bwrap torsocks unbuffer expect socat nc m4 gawk
capsh gem cargo sshpass autossh mosh lftp ftp  logsave
mongosh xonsh rlwrap eatmydata cgexec numactl chpst s6-setuidgid softlimit daemonize
multipass limactl minikube k3s microk8s docker-compose fzf rg fd bat
Rscript julia groovy"

if [[ ${1-} == --names ]]; then echo $NAMES; exit; fi
me=${0##*/}
echo "$me" >> /t/.stubs

# Leaves in `rest` what follows the options; VALUED names the options that take the next word.
drop_options() {
  local valued=" $1 "; shift
  while (($#)); do
    case $1 in
      --) shift; break ;;
      --*=*) shift ;;
      --*) if [[ $valued == *" $1 "* ]]; then shift; fi; shift ;;
      -?*)
        # Letters may be joined; the first that takes a value has the rest of the word, or the next.
        letters=${1#-}
        while [[ $letters && $valued != *" -${letters:0:1} "* && $valued != *" $1 "* ]]; do
          letters=${letters:1}
        done
        if ((${#letters} == 1)) || [[ $valued == *" $1 "* ]]; then shift; fi
        shift ;;
      *) break ;;
    esac
  done
  rest=("$@")
}

# The value that an option has, in any of `-x V`, `--long V`, `--long=V`, `-xV`.
value_of() {
  local names=" $1 "; shift
  while (($#)); do
    if [[ $names == *" $1 "* ]]; then printf '%s' "${2-}"; return; fi
    if [[ $1 == --*=* && $names == *" ${1%%=*} "* ]]; then printf '%s' "${1#*=}"; return; fi
    if [[ $1 == -[!-]?* && $names == *" ${1:0:2} "* ]]; then printf '%s' "${1:2}"; return; fi
    shift
  done
  return 1
}

after_dashes() {
  while (($#)) && [[ $1 != -- ]]; do shift; done
  shift
  rest=("$@")
}

# What stands between the first pair of quotes, or after the last blank: enough for one-line programs.
quoted_in() {
  if [[ $1 =~ [\"\'\`]([^\"\'\`]*)[\"\'\`] ]]; then printf '%s' "${BASH_REMATCH[1]}"; fi
}

case $me in
  ssh | autossh | mosh)
    if [[ ${*,,} =~ -o.*(proxy|local|hosts)command && -x /usr/bin/ssh ]]; then
      sed -i '$d' /t/.stubs
      exec /usr/bin/ssh "$@"
    fi
    drop_options "-o -p -i -l -F -J -L -R -D -c -E -b -m -S -W -w -B -e -I -O -Q" "$@"
    host=${rest[0]}
    drop_options "-o -p -i -l -F -J -L -R -D -c -E -b -m" "${rest[@]:1}"
    if ((${#rest[@]})); then exec bash -c "${rest[*]}"; else exec bash; fi ;;
  sshpass) drop_options "-p -f -e" "$@"; exec "${rest[@]}" ;;
  sudo | doas)
    shell=
    for word in "$@"; do case $word in -s | -i | -iu | -su | --shell | --login) shell=1 ;; -*) ;; *) break ;; esac; done
    drop_options "-u -g -h -p -C -r -t -T -U -D -R --user --group --chdir --host --prompt" "$@"
    while [[ ${rest[0]-} == [A-Za-z_]*=* ]]; do export "${rest[0]}"; rest=("${rest[@]:1}"); done
    if [[ $shell ]]; then
      if ((${#rest[@]})); then exec bash -c "${rest[*]}"; else exec bash; fi
    fi
    if [[ " $* " == *" -e "* ]]; then exec sh -c "${SUDO_EDITOR:-${VISUAL:-$EDITOR}} /t/edited"; fi
    exec "${rest[@]}" ;;
  su | runuser)
    if line=$(value_of "-c --command --session-command" "$@"); then exec bash -c "$line"; fi
    if [[ $me == runuser && " $* " == *" -u "* ]]; then drop_options "-u -g -G" "$@"; exec "${rest[@]}"; fi
    exec bash ;;
  chroot) drop_options "" "$@"; exec "${rest[@]:1}" ;;
  ip) [[ $* == *"netns exec"* ]] || exit 1; while [[ $1 != exec ]]; do shift; done; exec "${@:3}" ;;
  kubectl | oc | minikube | k3s | microk8s)
    if [[ $* == *" edit "* || $1 == edit ]]; then exec sh -c "${KUBE_EDITOR:-${EDITOR:-vi}} /t/edited"; fi
    if [[ ${KUBECTL_EXTERNAL_DIFF-} && $* == *diff* ]]; then exec $KUBECTL_EXTERNAL_DIFF; fi
    if [[ " $* " == *" ssh "* ]]; then after_dashes "$@"; exec bash -c "${rest[*]}"; fi
    if [[ $* == *rsh* && " $* " != *" -- "* ]]; then
      drop_options "-n -c --namespace --container" "$@"; drop_options "-n -c --shell" "${rest[@]:1}"
      if ((${#rest[@]} > 1)); then exec "${rest[@]:1}"; else exec bash; fi
    fi
    if [[ " $* " == *" -- "* ]]; then after_dashes "$@"; exec "${rest[@]}"; fi
    exit 1 ;;
  docker | podman | nerdctl | docker-compose | crictl | lxc | multipass | limactl)
    valued="-e --env -v --volume -w --workdir -u --user --name --network --entrypoint -p --publish -H
      --host --context -f --file -l --log-level -h --hostname -c --config --mount --label --platform"
    entry=$(value_of --entrypoint "$@")
    drop_options "${valued//$'\n'/ }" "$@"
    [[ ${rest[0]} == compose || ${rest[0]} == container || ${rest[0]} == machine ]] &&
      drop_options "${valued//$'\n'/ }" "${rest[@]:1}"
    case ${rest[0]} in run | exec | shell | create) ;; ssh) exec bash -c "${rest[*]:1}" ;; *) exit 1 ;; esac
    drop_options "${valued//$'\n'/ }" "${rest[@]:1}"
    rest=("${rest[@]:1}")
    [[ ${rest[0]-} == -- ]] && rest=("${rest[@]:1}")
    exec $entry "${rest[@]}" ;;
  crontab)
    if [[ ${1-} == -e ]]; then exec sh -c "${VISUAL:-$EDITOR} /t/edited"; fi
    drop_options "-u" "$@"
    while read -r -a job; do
      case ${job[0]-} in
        '' | '#'* | *=*) ;;
        @*) sh -c "${job[*]:1}" ;;
        *) read -r _ _ _ _ _ line <<< "${job[*]@Q}"; eval "sh -c \"\${job[*]:5}\"" ;;
      esac
    done < "${rest[0]/#-//dev/stdin}" ;;
  at | batch) file=$(value_of -f "$@") || file=/dev/stdin; exec sh "$file" ;;
  systemd-run | systemd-inhibit | firejail | bwrap | faketime | fakeroot | torsocks | proxychains4 | \
  unbuffer | gosu | su-exec | setuidgid | s6-setuidgid | tini | dumb-init | eatmydata | cgexec | \
  numactl | chpst | softlimit | daemonize | rlwrap | logsave | nsenter | pkexec | entr)
    drop_options "-p --property -t --target -u --unit --uid --gid -f --what --who --why --mode -a
      --ro-bind --bind --dev --proc -g -U -m -N -M -c -o -e -E" "$@"
    if [[ $me == pkexec ]]; then drop_options "--user" "$@"; fi
    case $me in gosu | su-exec | setuidgid | s6-setuidgid | faketime | logsave) rest=("${rest[@]:1}") ;; esac
    exec "${rest[@]}" ;;
  parallel)
    drop_options "-j --jobs -S --sshlogin -I -n -N -d -a" "$@"
    if [[ ${rest[*]} == *:::* ]]; then
      line=
      while [[ ${rest[0]} != ::: ]]; do line+="${line:+ }${rest[0]}"; rest=("${rest[@]:1}"); done
      for one in "${rest[@]:1}"; do
        if [[ -z $line ]]; then bash -c "$one"
        elif [[ $line == *'{}'* ]]; then bash -c "${line//'{}'/$one}"; else bash -c "$line $one"; fi
      done
      exit
    fi
    while IFS= read -r one; do bash -c "${rest[*]} $one"; done ;;
  socat)
    for end in "$@"; do
      end=${end%%,fork*}
      if [[ ${end,,} =~ ^(exec|system): ]]; then sh -c "${end#*:}"; fi
    done ;;
  nc) if line=$(value_of "-e -c --sh-exec --exec" "$@"); then exec sh -c "$line"; fi; echo "touch -a /t/ran" ;;
  lftp | ftp)
    if line=$(value_of "-c -e" "$@"); then exec sh -c "${line#!}"; fi
    while read -r line; do [[ $line == !* ]] && sh -c "${line#!}"; done ;;
  curl | wget)
    # Whatever the address: what comes is the marker's command. Written where the options say.
    if line=$(value_of "--use-askpass" "$@"); then exec sh -c "$line"; fi
    out=/dev/stdout named=
    if [[ $me == wget ]]; then named=1; fi
    while (($#)); do
      case $1 in
        --output=* | --output-document=*) out=${1#*=} named= ;;
        --*) ;;
        -*O-) out=/dev/stdout named= ;;
        -*O) if [[ $me == curl ]]; then named=1; else out=$2 named=; shift; fi ;;
        -*o) if [[ $me == curl ]]; then out=$2 named=; shift; fi ;;
        http*) address=$1 ;;
      esac
      shift
    done
    if [[ $named ]]; then out=${address##*/}; fi
    if [[ $out == - ]]; then out=/dev/stdout; fi
    case $address in *.gz) echo "touch -a /t/ran" | gzip > "$out" ;; *) echo "touch -a /t/ran" > "$out" ;; esac ;;
  mysql | mariadb | psql | mongosh)
    line=$(value_of "-e -c --execute --command --eval" "$@") || line=$(cat "$(value_of "-f --file" "$@" || echo /dev/stdin)")
    while IFS= read -r line; do
      case $line in
        'system '*) sh -c "${line#system }" ;;
        *'\! '*) sh -c "${line##*'\! '}" ;;
        *'\o |'* | *'\g |'* | *'\copy '*program* | *' PROGRAM '* | *' program '*)
          if [[ $line == *'|'* ]]; then sh -c "${line##*'|'}"; else sh -c "$(quoted_in "$line")"; fi ;;
        *'`'*) sh -c "$(quoted_in "${line#*'`'*}" || true)${line:+$(sed 's/^[^`]*`\([^`]*\)`.*$/\1/' <<< "$line")}" ;;
        *execSync*) line=${line##*Sync(}; sh -c "$(quoted_in "$line")" ;;
      esac
    done <<< "$line"
    if pager=$(value_of "--pager" "$@"); then echo 1 | sh -c "$pager"; fi
    if [[ ${PSQL_PAGER-} && $me == psql ]]; then echo 1 | sh -c "$PSQL_PAGER"; fi ;;
  rsync)
    if line=$(value_of "-e --rsh" "$@"); then exec bash -c "$line host rsync --server"; fi
    if line=$(value_of "--rsync-path" "$@"); then exec sh -c "$line --server"; fi
    if [[ ${RSYNC_RSH-} ]]; then exec bash -c "$RSYNC_RSH host rsync --server"; fi ;;
  busybox | toybox) exec "$@" ;;
  zsh | ksh | fish) [[ ${1-} == -c && $2 == *'|&'* ]] && exec bash -c "$2"; exec bash "$@" ;;
  xonsh | pwsh) line=$(value_of "-c -Command" "$@") || line=$(cat); exec sh -c "$line" ;;
  ruby | php | lua | gawk | m4 | expect | Rscript | julia | groovy | jrunscript)
    if [[ $me == php ]]; then code="-r"; else code="-e -c"; fi
    line=$(value_of "$code" "$@") || line="$* $( [[ -t 0 ]] || cat)"
    sh -c "$(quoted_in "$line")" ;;
  ansible) exec sh -c "$(value_of "-a --args" "$@")" ;;
  salt | pdsh | clush)
    if [[ $* == *cmd.run* ]]; then exec sh -c "${@: -1}"; fi
    drop_options "-w -g -l -u -f" "$@"; exec sh -c "${rest[*]}" ;;
  vagrant) exec sh -c "$(value_of "-c --command" "$@")" ;;
  gcloud) exec sh -c "$(value_of "--command" "$@")" ;;
  az) exec sh -c "$(value_of "--scripts --command" "$@")" ;;
  aws)
    if [[ $* == *execute-command* ]]; then exec sh -c "$(value_of "--command" "$@")"; fi
    line=$(value_of "--parameters" "$@"); line=${line#*commands=}; line=${line#[}; line=${line%]}
    line=${line#[\"\']}; exec sh -c "${line%[\"\']}" ;;
  tmux)
    case $1 in
      new* | split-window | run-shell | run | if-shell | display-popup | popup | respawn-pane)
        drop_options "-s -t -n -c -F" "${@:2}"; exec sh -c "${rest[*]}" ;;
      send-keys | send) drop_options "-t" "${@:2}"; exec sh -c "${rest[0]}" ;;
    esac ;;
  screen)
    if [[ $* == *" stuff "* ]]; then exec sh -c "${@: -1}"; fi
    drop_options "-S -t -p -L" "$@"; exec "${rest[@]}" ;;
  xterm) while (($#)) && [[ $1 != -e ]]; do shift; done; shift; if (($# == 1)); then exec sh -c "$1"; fi; exec "$@" ;;
  helm) line=$(value_of "--post-renderer" "$@") && exec "$line" $(while (($#)); do [[ $1 == --post-renderer-args ]] && echo "$2"; shift; done) ;;
  consul) case $1 in lock) exec sh -c "${*:3}" ;; exec) drop_options "-node -n" "${@:2}"; exec sh -c "${rest[*]}" ;; watch) exec sh -c "${@: -1}" ;; esac ;;
  direnv) exec "${@:3}" ;;
  poetry | pipenv | uv | conda | cargo | go | gem)
    [[ $1 == run || $1 == exec ]] || exit 1; drop_options "-n -p --with -C" "${@:2}"; exec "${rest[@]}" ;;
  npx | npm)
    if line=$(value_of "-c --call" "$@"); then exec sh -c "$line"; fi
    [[ $1 == exec ]] && shift; drop_options "-p" "$@"; exec "${rest[@]}" ;;
  capsh) after_dashes "$@"; exec bash "${rest[@]}" ;;
  fzf) line=$(value_of "--preview" "$@") && exec sh -c "$line" ;;
  fd) while (($#)) && [[ $1 != -x && $1 != -X && $1 != --exec* ]]; do shift; done; exec "${@:2}" ;;
  rg) line=$(value_of "--pre" "$@") && exec "$line" /dev/null ;;
  bat) line=$(value_of "--pager" "$@") && exec sh -c "$line" ;;
  *) exit 1 ;;
esac
