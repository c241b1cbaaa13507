// SPDX-License-Identifier: GPL-2.0-only
// What a peer was promised of a connection before it came: that it will be secured, or left alone.
#pragma once
#include "flow.bpf.h"

// Whether the peer was promised this connection: then no rule that changed since may let it go in clear.
static __always_inline bool promised(struct tuple *t, u64 now)
{
    u64 *until = bpf_map_lookup_elem(MAP(expected), t);
    return until && now < *until;
}

// Asked again once the flow can be found by its tuple, so that a promise made in between is seen by one of the two: by
// this, or by `promise`.
static __always_inline void keep_promise(struct flow *f, u64 cookie, struct tuple *t)
{
    bpf_map_update_elem(MAP(accepted), t, &cookie, BPF_ANY);
    struct flow *kept = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (kept && promised(t, f->born) && move_state(kept, NEW, ASKED))
        f->state = ASKED;
    bpf_map_delete_elem(MAP(expected), t);
}

// The peer said before that its end is in clear, and was told that this one will be left alone. A flow always begins as NEW,
// so of this and a promise to secure it one only is kept.
static __always_inline void leave_as_told(void *ctx, struct flow *f, u64 cookie, struct tuple *t)
{
    u64 *until = bpf_map_lookup_elem(MAP(left), t);
    struct flow *kept = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!until || !kept)
        return;
    u32 why = left_for(*until);
    if (f->born < *until && lets_go(f->mode, f->passthrough, why) && move_state(kept, NEW, CLEAR))
        decide(ctx, f, cookie, CLEAR, why);
    bpf_map_delete_elem(MAP(left), t);
}
