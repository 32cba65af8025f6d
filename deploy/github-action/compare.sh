#!/usr/bin/env bash
# compare.sh OLD NEW PATHSPEC...: what a change of runbooks between two commits does to the risk of
# their steps, as Markdown on stdout; nothing where it does nothing. Runs in the repository.
set -euo pipefail
old=$1 new=$2
shift 2

begin=$(git merge-base "$old" "$new")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

git diff --name-only -z --no-renames "$begin" "$new" -- "$@" >"$scratch/changed"
while IFS= read -r -d '' path; do
    git show "$begin:$path" >"$scratch/old" 2>/dev/null || : >"$scratch/old"
    git show "$new:$path" >"$scratch/new" 2>/dev/null || : >"$scratch/new"
    if ! dd0c run diff --markdown --name "$path" "$scratch/old" "$scratch/new" >"$scratch/told" 2>"$scratch/error"; then
        printf '### A runbook that could not be read\n\n````\n%q\n%s\n````\n' "$path" "$(tail -n 2 "$scratch/error" | tr -d '`')"
    elif [ -s "$scratch/told" ]; then
        cat "$scratch/told"
        echo
    fi
done <"$scratch/changed"
