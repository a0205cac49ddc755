#!/usr/bin/env bash
# Exits with 0 when the daemon in this container answers /healthz. The image has no HTTP client, and none that
# speaks TLS: with a certificate it is enough that the port is open.
port=${PGHERALD_SERVER_LISTEN:-127.0.0.1:8080}
exec 3<>"/dev/tcp/127.0.0.1/${port##*:}" || exit 1
[ -z "${PGHERALD_TLS_CERTIFICATE:-}" ] || exit 0
printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 3 answer <&3
[[ $answer == 'HTTP/1.1 200 '* ]]
