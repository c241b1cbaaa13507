// SPDX-License-Identifier: GPL-2.0-only
// Socket options that would go round the gate, hand out the keys, or promise what KTLS does not do.
#pragma once
#include "gate.bpf.h"

// Whether the socket is one that is, or may become, KTLS: marked, and not released in clear; one without an entry was
// secured by an agent before this one, or denied.
static __always_inline bool guarded(struct socket *sock)
{
    struct sock *sk = sock->sk;
    struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;
    if (!tp || !marked(tp))
        return false;
    u64 cookie = bpf_get_socket_cookie(sk);
    struct flow *f = bpf_map_lookup_elem(&flows, &cookie);
    return f ? f->state != CLEAR : ours(tp);
}

// Accepted and not done, so that programs connect as ever: Fast Open. Refused, so that they fall back: zero-copy, which
// KTLS answers with an error at every send.
SEC("cgroup/setsockopt")
int set_option(struct bpf_sockopt *o)
{
    struct bpf_sock *sk = o->sk;
    if (!sk || sk->protocol != IPPROTO_TCP)
        return 1;
    if (o->level == SOL_SOCKET && o->optname == SO_ZEROCOPY) {
        bpf_set_retval(-EOPNOTSUPP);
        return 0;
    }
    if (o->level == SOL_TCP && (o->optname == TCP_FASTOPEN || o->optname == TCP_FASTOPEN_CONNECT))
        o->optlen = -1;
    return 1;
}

// A program's own TCP_ULP finds one there already; repair mode would rewrite the socket below us.
SEC("fmod_ret/security_socket_setsockopt")
int BPF_PROG(guard_set, struct socket *sock, int level, int name, int ret)
{
    struct settings *c = config();
    if (ret || level != SOL_TCP || (name != TCP_ULP && name != TCP_REPAIR) || !c)
        return ret;
    if (bpf_get_current_pid_tgid() >> 32 == c->agent || !guarded(sock))
        return 0;
    return name == TCP_ULP ? -EEXIST : -EPERM;
}

// TLS_TX and TLS_RX would show the keys; TCP_ZEROCOPY_RECEIVE would map ciphertext.
SEC("fmod_ret/security_socket_getsockopt")
int BPF_PROG(guard_get, struct socket *sock, int level, int name, int ret)
{
    if (ret || !(level == SOL_TLS || (level == SOL_TCP && name == TCP_ZEROCOPY_RECEIVE)))
        return ret;
    return guarded(sock) ? (level == SOL_TLS ? -EPERM : -EOPNOTSUPP) : 0;
}
