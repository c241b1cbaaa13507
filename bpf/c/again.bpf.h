// SPDX-License-Identifier: GPL-2.0-only
// A held socket looks ready to poll(), and cannot be made to look otherwise. A program that does not wait and reads is told
// EAGAIN once, which any must expect; many give up on a second one, behind a poll() that said "ready". So the second call
// waits in the gate, for as long as the keys may well take, and where they are under way: nobody who was not let in by the
// peer's certificate can have an event loop wait. The first bytes that are sent wait at once: plain TCP has room for them
// on every connection, so programs end on an EAGAIN there that they would else have survived.
#pragma once
#include "flow.bpf.h"

#define PATIENCE 8 // part of the gate's deadline

struct asker { u64 cookie; u32 call, pad; };
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, struct asker); __type(value, u64); } told MAPS; // when it first waited

static __always_inline bool looks_ready(struct tcp_sock *tp, enum call call)
{
    return call == SENDS || tp->rcv_nxt != tp->copied_seq;
}

// Not for io_uring's workers and kernel threads, whose calls are not restarted. A client chose its peer, whose agent
// answered or did so a moment ago, or else its SYN were held.
static __always_inline bool may_wait(struct file *file, const struct flow *f)
{
    struct task_struct *task = this_task();
    if (!file || !(file->f_flags & O_NONBLOCK) || FIELD(task, flags) & (PF_KTHREAD | PF_IO_WORKER))
        return false;
    return (f->state >= ASKED || f->side == CLIENT) && f->state <= INSTALLING;
}

static __always_inline bool insists(struct tcp_sock *tp, struct flow *f, u64 cookie, struct file *file, enum call call)
{
    struct asker key = { .cookie = cookie, .call = call };
    u64 now = bpf_ktime_get_ns(), never = 0, *since;
    struct settings *c = config();
    if (!c || !looks_ready(tp, call))
        return false;
    since = bpf_map_lookup_elem(MAP(told), &key);
    if (!since && call != SENDS) {
        bpf_map_update_elem(MAP(told), &key, &never, BPF_ANY);
        return false;
    }
    if (!may_wait(file, f))
        return false;
    if (!since || !*since) {
        bpf_map_update_elem(MAP(told), &key, &now, BPF_ANY);
        return true;
    }
    return now - *since < c->gate_ns / PATIENCE;
}
