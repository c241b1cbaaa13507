// SPDX-License-Identifier: GPL-2.0-only
// Before the gate is attached: sockets that an agent before this one marked get an entry, or the gate would deny them.
// What is KTLS both ways stays so; what is not went on without a gate when that agent ended, and goes on.
#pragma once
#include "gate.bpf.h"

static __always_inline void enter_old(struct tcp_sock *tp, u64 cookie)
{
    struct flow f = { .state = tx_installed(tp) && rx_installed(tp) ? OPEN : CLEAR, .mode = OBSERVE, .sock = (u64)tp };
    bpf_map_update_elem(MAP(flows), &cookie, &f, BPF_NOEXIST);
}

SEC("iter/tcp")
int adopt(struct bpf_iter__tcp *c)
{
    struct sock_common *sk = c->sk_common;
    struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;
    if (tp && marked(tp) && ours(tp))
        enter_old(tp, bpf_get_socket_cookie(tp));
    return 0;
}

// Only where the kernel has no iterators, for want of BTF: whoever has it list its sockets has it tell the cookie of each.
// Those that are none yet, or none any more, are smaller.
SEC("kprobe/sock_diag_save_cookie")
int adopt_listed(struct pt_regs *regs)
{
    struct tcp_sock *tp = (void *)PT_REGS_PARM1(regs);
    struct sock *sk = (void *)tp;
    u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
    if (state == SK_TIME_WAIT || state == SK_NEW_SYN_RECV || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
        return 0;
    if (marked(tp) && ours(tp))
        enter_old(tp, BPF_CORE_READ(sk, __sk_common.skc_cookie.counter));
    return 0;
}
