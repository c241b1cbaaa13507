// SPDX-License-Identifier: GPL-2.0-only
// Before the gate is attached: sockets that an agent before this one marked get an entry, or the gate would deny them.
// What is KTLS both ways stays so; what is not went on without a gate when that agent ended, and goes on.
#pragma once
#include "gate.bpf.h"

SEC("iter/tcp")
int adopt(struct bpf_iter__tcp *c)
{
    struct sock_common *sk = c->sk_common;
    struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;
    if (!tp || !marked(tp) || !ours(tp))
        return 0;
    u64 cookie = bpf_get_socket_cookie(tp);
    struct flow f = { .state = tx_installed(tp) && rx_installed(tp) ? OPEN : CLEAR, .mode = OBSERVE, .sock = (u64)tp };
    bpf_map_update_elem(MAP(flows), &cookie, &f, BPF_NOEXIST);
    return 0;
}
