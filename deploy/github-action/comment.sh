#!/usr/bin/env bash
# comment.sh FILE: make FILE the comment of this action on pull request $PULL_REQUEST of
# $GITHUB_REPOSITORY, in place of its last one; where FILE is empty, say so only if there was one.
# The token is in GH_TOKEN.
set -euo pipefail
mark='<!-- dd0c runbooks -->'
body_max=60000 # characters; the service takes 65,536

comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments"
ours=".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$mark\"))) | .id"
last=$(gh api --paginate "$comments" --jq "$ours" | tail -n 1)

if [ -s "$1" ]; then
    told=$(head -c "$body_max" "$1")
    [ "$(wc -c <"$1")" -le "$body_max" ] || told+=$'\n\n`````\n\nThere is more: see the summary of the job.'
elif [ -n "$last" ]; then
    told="No step's risk changes any more."
else
    exit 0
fi
body=$(printf '%s\n## What this does to the risk of runbooks\n\n%s\n' "$mark" "$told")
if [ -n "$last" ]; then
    gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$last" -f body="$body"
else
    gh api --silent --method POST "$comments" -f body="$body"
fi
