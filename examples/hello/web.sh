#!/bin/sh
# Plays a web server: it opens no port, but it has been given one.

trap 'echo "port $PORT closed"; exit 0' TERM

echo "listening on port $PORT (well, pretending to)"
while :; do
    for request in 'GET / 200' 'GET /tea 418' 'GET /favicon.ico 404' 'POST /orders 201'; do
        # In the background and waited for: a trap would have to wait for the end of a command in the foreground, and
        # the shell would report that command as terminated.
        sleep 2 & wait
        echo "$request"
    done
done
