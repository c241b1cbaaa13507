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
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    return f ? f->state != CLEAR : ours(tp);
}

// What programs do without where it is refused: Fast Open, as where the kernel has it switched off, since connect() would
// return before there is a connection; zero-copy, which KTLS answers with an error at every send. Not by a hook of the
// cgroup: the kernel copies the value for it, at every option of every socket.
static __always_inline bool lacking(struct socket *sock, int level, int name)
{
    bool asked = level == SOL_SOCKET ? name == SO_ZEROCOPY : level == SOL_TCP && name == TCP_FASTOPEN_CONNECT;
    struct tcp_sock *tp = asked && sock->sk ? bpf_skc_to_tcp_sock(sock->sk) : 0;
    return tp && ours(tp);
}

// A program's own TCP_ULP finds one there already; repair mode would rewrite the socket below us.
SEC("fmod_ret/security_socket_setsockopt")
int BPF_PROG(guard_set, struct socket *sock, int level, int name, int ret)
{
    if (ret || lacking(sock, level, name))
        return ret ? ret : -EOPNOTSUPP;
    struct settings *c = config();
    if (level != SOL_TCP || (name != TCP_ULP && name != TCP_REPAIR) || !c)
        return 0;
    if (by_agent(c) || !guarded(sock))
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
