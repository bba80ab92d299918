#!/bin/sh
# Prints a Procfile of N process types, 200 unless told otherwise: usage `generate.sh [N]`.
# Every tenth type says a line each ten seconds, the others cost nothing once they sleep.

count=${1:-200}
# Type number t (from 0) gets port 5000 + 100 t, and ports end at 65535.
most=606

case $count in
    '' | 0* | *[!0-9]* | ?????*) count=0 ;;
esac
if [ "$#" -gt 1 ] || [ "$count" -lt 1 ] || [ "$count" -gt "$most" ]; then
    echo "usage: generate.sh [N], N from 1 to $most" >&2
    exit 2
fi

echo "# $count process types, printed by generate.sh."
number=0
while [ "$number" -lt "$count" ]; do
    number=$((number + 1))
    if [ $((number % 10)) -eq 0 ]; then
        name=talker
        # shellcheck disable=SC2016  # The shell that runs the line expands it, not this one.
        command='trap '\''echo "$PS says goodbye"; exit 0'\'' TERM; echo "$PS is here, port $PORT"; while :; do sleep 10 & wait; echo "$PS says hello"; done'
    else
        name=idle
        # shellcheck disable=SC2016
        command='echo "$PS is here, port $PORT"; exec sleep 2147483647'
    fi
    printf '%s%03d: %s\n' "$name" "$number" "$command"
done
