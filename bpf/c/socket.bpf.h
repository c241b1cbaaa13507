// SPDX-License-Identifier: GPL-2.0-only
// What a sockops program sees of its socket: the tuple, and why the socket can take no TLS.
#pragma once
#include "flow.bpf.h"

static __always_inline struct tcp_sock *socket_in(struct bpf_sock_ops *s)
{
    struct bpf_sock *sk = s->sk;
    return sk ? tcp_of(sk) : 0;
}

// Volatile, or the compiler merges the reads of both branches into one through a changed context pointer.
static __always_inline struct tuple tuple_of(volatile struct bpf_sock_ops *s)
{
    struct tuple t = { .local_port = s->local_port, .remote_port = bpf_ntohl(s->remote_port) };
    u32 local[4] = { 0, 0, bpf_htonl(0xffff), s->local_ip4 }, remote[4] = { 0, 0, bpf_htonl(0xffff), s->remote_ip4 };
    if (s->family == AF_INET6) {
        local[0] = s->local_ip6[0], local[1] = s->local_ip6[1], local[2] = s->local_ip6[2], local[3] = s->local_ip6[3];
        remote[0] = s->remote_ip6[0], remote[1] = s->remote_ip6[1], remote[2] = s->remote_ip6[2], remote[3] = s->remote_ip6[3];
    }
    __builtin_memcpy(&t.local, local, sizeof(local));
    __builtin_memcpy(&t.remote, remote, sizeof(remote));
    return t;
}

// Put together by its program (CRIU): the other end has begun long ago, and will not begin anew.
static __always_inline bool in_repair(struct bpf_sock_ops *s)
{
    struct tcp_sock *tp = socket_in(s);
    return tp && BPF_CORE_READ_BITFIELD_PROBED(tp, repair);
}

// Why a socket can take no TLS, or 0: that of MPTCP's program is another one, and one that the kernel connects for itself
// (NFS, CIFS, 9p) has no descriptor by which it could be had.
static __always_inline u32 unfit(struct bpf_sock_ops *s)
{
    struct tcp_sock *tp = socket_in(s);
    if (!tp)
        return 0;
    if (has_mptcp(tp))
        return MPTCP;
    if (in_repair(s))
        return REPAIR;
    bool connects = s->op == BPF_SOCK_OPS_TCP_CONNECT_CB;
    return connects && !BPF_CORE_READ((struct sock *)tp, sk_socket, file) ? KERNEL_SOCKET : 0;
}
