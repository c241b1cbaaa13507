# SPDX-License-Identifier: Apache-2.0
# To be sourced: Debian's packages for the lab's machine, unpacked below the cache folder and never installed.
cache=${TLSHUB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tlshub-capture}

lock() { mkdir -p "$cache" && exec 9>"$cache/lock" && flock 9; } # until this shell ends: what one unpacks the others find

listed() { # listed COMMAND...: what it prints of apt's lists, which are fetched where they say nothing
    local found
    found=$("$@" || true)
    [ -n "$found" ] || { apt-get update >&2 && found=$("$@" || true); } || return 0
    echo "$found"
}

unpack() { # unpack ROOT [OPTION...] PACKAGE...: OPTIONs are apt-get's
    local root=$1 debs status=0
    debs=$(mktemp -d "$cache/debs.XXXXXX")
    (cd "$debs" && apt-get -q -o APT::Sandbox::User=root download "${@:2}" >&2 &&
        for package in *.deb; do dpkg-deb -x "$package" "$root" || exit; done) || status=$?
    rm -rf "$debs"
    return $status
}
