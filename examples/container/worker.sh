#!/bin/sh
# A worker that leaves orphans behind on purpose, as many real programs do by accident.

trap 'echo "stopped after $job jobs"; exit 0' TERM

# Prints how many children of PID 1 have ended and have not been waited for.
count_zombies() {
    cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z 1 '
}

job=0
echo "waiting for jobs"
while :; do
    sleep 1 & wait
    job=$((job + 1))
    echo "job $job done"
    if [ $((job % 3)) -eq 0 ]; then
        # Forked twice: the subshell ends at once, and the process it started has lost its parent. Its next parent is
        # PID 1, which has to wait for it when it ends, or it stays a zombie.
        (sh -c 'sleep 2; echo "orphan $$ ends"' &)
        echo "left an orphan behind; zombies of PID 1: $(count_zombies)"
    fi
done
