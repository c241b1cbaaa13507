// SPDX-License-Identifier: GPL-2.0-only
// SO_RCVTIMEO and SO_SNDTIMEO of a held socket: each restart of a call would begin its time anew, so it is counted here.
#pragma once
#include "flow.bpf.h"

#define FOR_EVER ((long)(~0UL >> 1)) // MAX_SCHEDULE_TIMEOUT
#define PAUSE 24 // times 4 ms: a thread that was away so long, from calls that follow each other at once, makes another one

struct wait { u64 cookie, since, latest; }; // in jiffies, as the socket's own times are
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, u32); __type(value, struct wait); } waits MAPS;

// Whether this call has waited as long as its socket is patient, over all its restarts.
static __always_inline bool time_is_up(struct sock *sk, u64 cookie, enum call call)
{
    long patience = call == RECEIVES ? BPF_CORE_READ(sk, sk_rcvtimeo) : BPF_CORE_READ(sk, sk_sndtimeo);
    struct settings *c = config();
    if (patience == FOR_EVER || !c)
        return false;
    u32 tid = bpf_get_current_pid_tgid();
    u64 now = bpf_jiffies64();
    struct wait *w = bpf_map_lookup_elem(MAP(waits), &tid);
    if (!w || w->cookie != cookie || now - w->latest > PAUSE * c->syn_jiffies) {
        struct wait first = { .cookie = cookie, .since = now, .latest = now };
        bpf_map_update_elem(MAP(waits), &tid, &first, BPF_ANY);
        return false;
    }
    w->latest = now;
    if (now - w->since < (u64)patience)
        return false;
    bpf_map_delete_elem(MAP(waits), &tid);
    return true;
}
