#!/bin/sh
# Plays a background worker that takes one job after another; every fourth fails and says so on stderr.

trap 'echo "stopped after $done_jobs jobs"; exit 0' TERM

job=0
done_jobs=0
echo "$PS waits for jobs"
while :; do
    for work in 'water the plants' 'feed the cat' 'resize a photograph' 'divide by zero'; do
        job=$((job + 1))
        sleep 1 & wait
        echo "job $job: $work"
        sleep 2 & wait
        if [ "$work" = 'divide by zero' ]; then
            echo "job $job: failed, nobody can do that" >&2
        else
            done_jobs=$((done_jobs + 1))
            echo "job $job: done"
        fi
    done
done
