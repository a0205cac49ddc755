#!/usr/bin/env bash
# Prints a token (JWT, HS256) that pgherald accepts with [auth] mode = "token" and the same secret.
#   deploy/make-token.sh --sub ann --subscribe 'sports' --subscribe 'user.{sub}.*' --publish 'chat.*' --ttl 1h
# --sub NAME           whose token it is; {sub} in patterns stands for it
# --subscribe PATTERN  channels it may read; * stands for any run of characters. May be given again
# --publish PATTERN    channels it may write to. May be given again
# --ttl TIME           how long it is good: 90s, 15m, 1h (if nothing is said), 30d
# --secret-file FILE   deploy/secrets/token_secret, which make-secrets.sh makes, if nothing is said
# For trying things out and for programs of your own; people's tokens come from an identity provider.
# Needs bash, coreutils and openssl.
set -euo pipefail
export LC_ALL=C # lengths are bytes

fail() {
    echo "make-token: $*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set /{/^# /s/^# //p}' "${BASH_SOURCE[0]}"
}

# A JSON string.
quoted() {
    local text=${1//\\/\\\\} code char escaped
    text=${text//\"/\\\"}
    for code in {1..31}; do
        printf -v escaped '\\u%04x' "$code"
        printf -v char '%b' "\\x$(printf '%x' "$code")"
        text=${text//"$char"/"$escaped"}
    done
    printf '"%s"' "$text"
}

# A JSON array of strings.
list() {
    local text='' each
    for each in "$@"; do
        text+=${text:+,}$(quoted "$each")
    done
    printf '[%s]' "$text"
}

seconds() {
    [[ $1 =~ ^([0-9]{1,9})([smhd]?)$ ]] || fail "--ttl must be a time as 90s, 15m, 1h or 30d, not \"$1\""
    local factor=1
    case ${BASH_REMATCH[2]} in
        m) factor=60 ;;
        h) factor=3600 ;;
        d) factor=86400 ;;
    esac
    echo $((10#${BASH_REMATCH[1]} * factor))
}

base64url() {
    openssl base64 -A | tr '+/' '-_' | tr -d '='
}

sha256() {
    openssl dgst -sha256 -binary
}

# HMAC-SHA256 of $1 (RFC 2104). By hand, because openssl takes the key on its command line, where everybody on this
# machine can read it.
hmac() {
    local inner='' outer='' i byte
    local -a key
    read -r -d '' -a key < <(od -An -v -tu1 <<<"$secret" | tr '\n' ' ') || true
    unset 'key[-1]' # the line end of <<<
    if [ ${#key[@]} -gt 64 ]; then
        read -r -d '' -a key < <(printf '%s' "$secret" | sha256 | od -An -v -tu1 | tr '\n' ' ') || true
    fi
    for ((i = 0; i < 64; i++)); do
        byte=${key[i]:-0}
        printf -v inner '%s\\x%02x' "$inner" $((byte ^ 0x36))
        printf -v outer '%s\\x%02x' "$outer" $((byte ^ 0x5c))
    done
    { printf '%b' "$outer"; { printf '%b' "$inner"; printf '%s' "$1"; } | sha256; } | sha256
}

subject=
subscribe=()
publish=()
ttl=1h
secret_file=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/secrets/token_secret
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --sub | --subscribe | --publish | --ttl | --secret-file)
            [ $# -ge 2 ] || fail "$1 needs a value"
            [ -n "$2" ] || fail "the value of $1 is empty"
            ;;
    esac
    case $1 in
        --sub) subject=$2 ;;
        --subscribe) subscribe+=("$2") ;;
        --publish) publish+=("$2") ;;
        --ttl) ttl=$2 ;;
        --secret-file) secret_file=$2 ;;
        *) fail "there is no \"$1\"; --help tells what there is" ;;
    esac
    shift 2
done
for text in "$subject" "${subscribe[@]}" "${publish[@]}"; do
    [ ${#text} -le 255 ] || fail "names and patterns have at most 255 bytes: \"$text\""
done
ttl=$(seconds "$ttl")
[ -r "$secret_file" ] || fail "can't read $secret_file; deploy/make-secrets.sh makes it"
secret=$(cat "$secret_file")
while [[ $secret == *[$'\r\n'] ]]; do
    secret=${secret%?}
done
[ ${#secret} -ge 32 ] || fail "the secret in $secret_file has fewer than 32 bytes"

now=$(date +%s)
payload='{'
[ -z "$subject" ] || payload+="\"sub\":$(quoted "$subject"),"
payload+="\"iat\":$now,\"exp\":$((now + ttl)),"
payload+="\"pgherald\":{\"subscribe\":$(list "${subscribe[@]}"),\"publish\":$(list "${publish[@]}")}}"
signed=$(printf '%s' '{"alg":"HS256","typ":"JWT"}' | base64url).$(printf '%s' "$payload" | base64url)
echo "$signed.$(hmac "$signed" | base64url)"
