// SPDX-License-Identifier: GPL-2.0-only
// The SYN of a connection whose keys take long waits in the sender's own queue, where its thread sleeps.
#pragma once
#include "flow.bpf.h"

#define RETRIES_MORE 8 // 4 ms * 2^8 is about TCP's own first timeout of 1 s, so patience stays what it was
#define HOPELESS 1

// Whether the peer's agent may be relied upon to answer at once. A session says little: an agent that hangs keeps it, and
// threads whose SYN went would wait for it in the gate, busily. In the handshake they sleep.
static __always_inline bool is_warm(const struct address *peer, u64 now)
{
    u64 *answered = bpf_map_lookup_elem(MAP(warm), peer);
    struct settings *c = config();
    return c && answered && now < *answered + c->warm_ns;
}

// A SYN that waits is repeated soon, and as patiently as before; one that will never go makes connect() fail soon.
static __always_inline void hold_syn(struct bpf_sock_ops *s, struct flow *f)
{
    int retries;
    if (bpf_getsockopt(s, SOL_TCP, TCP_SYNCNT, &retries, sizeof(retries)))
        retries = 6; // before 6.1 programs are not told: Linux's default
    f->syn_held = 1;
    f->syn_retries = retries;
    retries = f->state == REFUSED ? HOPELESS : retries + RETRIES_MORE;
    if (retries > 127)
        retries = 127;
    bpf_setsockopt(s, SOL_TCP, TCP_SYNCNT, &retries, sizeof(retries));
}

// It waits where the peer's agent did not answer just now; not under passthrough, where that is asked later.
static __always_inline bool syn_waits(const struct flow *f)
{
    return f->state == REFUSED || (f->state == NEW && !f->passthrough && !is_warm(&f->tuple.remote, f->born));
}

// The socket may connect again, or its program may look.
static __always_inline void restore_retries(struct bpf_sock_ops *s, struct flow *f)
{
    int retries = f->syn_retries;
    if (f->syn_held)
        bpf_setsockopt(s, SOL_TCP, TCP_SYNCNT, &retries, sizeof(retries));
}

// A SYN that waits is repeated ever later. Before each time it is seen whether its connection's time is up: then it goes
// with this one, or connect() fails with the next.
static __always_inline void repeats(struct bpf_sock_ops *s, u64 cookie)
{
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    int retries = HOPELESS;
    if (!f || !f->syn_held || s->state != SK_SYN_SENT)
        return;
    u32 state = f->state;
    if (state < ARMED && is_over(f, bpf_ktime_get_ns()))
        expire(s, f, cookie, state);
    if (f->state == REFUSED)
        bpf_setsockopt(s, SOL_TCP, TCP_SYNCNT, &retries, sizeof(retries));
}

static __always_inline int syn_timeout(u64 cookie)
{
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    struct settings *c = config();
    return f && c && f->syn_held ? (int)c->syn_jiffies : -1;
}
