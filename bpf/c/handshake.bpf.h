// SPDX-License-Identifier: GPL-2.0-only
// TCP tells of each step of a connection here (sockops), from its SYN to its end.
#pragma once
#include "close.bpf.h"

static __always_inline void established(struct bpf_sock_ops *s, u64 cookie)
{
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!f)
        return;
    if (f->syn_held) { // many repeated SYNs would leave a window of one segment
        int window = 10;
        bpf_setsockopt(s, SOL_TCP, TCP_BPF_IW, &window, sizeof(window));
        restore_retries(s, f);
    }
    struct settings *c = config();
    if (c && f->state >= ARMED && f->state < OPEN)
        f->deadline = bpf_ktime_get_ns() + c->gate_ns;
    else if (c && f->state == NEW && f->passthrough) // nobody was asked yet
        f->deadline = bpf_ktime_get_ns() + c->handshake_ns;
    struct established e = { .head = header(ESTABLISHED, cookie), .local_isn = s->snd_nxt, .remote_isn = s->rcv_nxt };
    f->local_isn = e.local_isn;
    f->remote_isn = e.remote_isn;
    f->established = e.head.time;
    emit(s, &e, sizeof(e));
}

SEC("sockops")
int on_sockops(struct bpf_sock_ops *s)
{
    u64 cookie = bpf_get_socket_cookie(s);
    int reply = -1;
    switch (s->op) {
    case BPF_SOCK_OPS_TIMEOUT_INIT:
        reply = syn_timeout(cookie);
        s->reply = reply;
        break;
    case BPF_SOCK_OPS_TCP_CONNECT_CB:
        begin(s, cookie, CLIENT);
        break;
    case BPF_SOCK_OPS_RTO_CB:
        repeats(s, cookie);
        break;
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
        if (simultaneous(s, cookie))
            break;
        begin(s, cookie, SERVER);
        established(s, cookie);
        break;
    case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
        late(s, cookie);
        established(s, cookie);
        break;
    case BPF_SOCK_OPS_STATE_CB:
        if (s->args[1] == SK_CLOSE)
            closed(s, cookie, s->args[0]);
        else if (s->args[1] == SK_FIN_WAIT1)
            abandoned(s, cookie);
        break;
    }
    return 1;
}
