#!/usr/bin/env bash
# Exits with 0 when the daemon in this container answers /healthz. The image has no HTTP client, and none that
# speaks TLS: there it is enough that a broken greeting is answered with an alert.
export LC_ALL=C
port=${PGHERALD_SERVER_LISTEN:-127.0.0.1:8080}
port=${port##*:}

answer_to() {
    exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
    # shellcheck disable=SC2059 # the escapes are meant
    printf "$1" >&3
    answer=
    read -r -t 3 -n 12 answer <&3
    exec 3>&-
}

answer_to 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
[[ $answer != 'HTTP/1.1 200' ]] || exit 0
[[ $answer != HTTP/* ]] || exit 1
answer_to '\x16\x03\x01\x00\x04\x01\x00\x00\x00' # a ClientHello of length 0
[[ $answer == $'\x15\x03'* ]]
