// SPDX-License-Identifier: GPL-2.0-only
// While no agent lives its guard asks, again and again, for the flows whose time is up: a thread that sleeps in poll() or
// connect() makes no call in which the gate would see it. What has to be done to their sockets is the guard's.
#pragma once
#include "gate.bpf.h"

#define SWEPT 64
#define BARELY_NS 1000000000 // an agent that was killed may have released one, and woken nobody yet

struct swept { u64 cookie; u32 state, side; struct tuple tuple; struct owner owner; u64 reserve[2]; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, SWEPT); __type(key, u32); __type(value, struct swept); } ended MAPS;

// `life`: whose guard asks. `died`: when its agent did. `give_up`: nobody came for long. `found`: entries of `ended`.
struct sweep { u64 life, died; u32 give_up, found, replaced, pad; };
struct sweeping { u64 died, now, gate_ns; u32 found; };

// The agent may have died when all keys were in the socket, which only a call into it tells: the guard makes one.
static __always_inline bool may_be_open(const struct flow *f, const struct sweeping *s)
{
    return f->state == INSTALLING && s->now > f->deadline && s->now < f->deadline + s->gate_ns;
}

// Whoever gets the descriptor of one that was refused before is looked at as well: it can be reset then, if not before.
static __always_inline bool to_end(const struct flow *f, const struct sweeping *s)
{
    if (f->mode <= OBSERVE || f->tried == f->owner.pid + 1)
        return false;
    return f->state == REFUSED || (f->state == CLEAR && f->opened > s->died - BARELY_NS) || may_be_open(f, s);
}

static long sweep_one(void *map, u64 *key, struct flow *f, struct sweeping *s)
{
    u64 cookie = *key;
    u32 state = f->state, at = s->found;
    if (state < OPEN && s->now > f->deadline && !may_be_open(f, s))
        expire(0, f, cookie, state);
    if (!to_end(f, s))
        return 0;
    struct swept *e = bpf_map_lookup_elem(MAP(ended), &at);
    if (!e)
        return 1;
    *e = (struct swept){ .cookie = cookie, .state = f->state, .side = f->side, .tuple = f->tuple, .owner = f->owner };
    if (e->state != INSTALLING)
        f->tried = f->owner.pid + 1;
    s->found++;
    return 0;
}

static __always_inline void note_death(const struct settings *c, u64 died)
{
    u32 zero = 0;
    struct tally *t = bpf_map_lookup_elem(MAP(tally), &zero);
    if (t && !t->since)
        t->since = died;
}

// A guard whose agent was replaced does nothing: the flows are another's now, and have other deadlines.
SEC("syscall")
int sweep(struct sweep *m)
{
    struct settings *c = config();
    struct sweeping s = { .died = m->died, .now = bpf_ktime_get_ns() };
    if (!c || c->life != m->life) {
        m->replaced = 1;
        return 0;
    }
    s.gate_ns = c->gate_ns;
    note_death(c, m->died);
    c->guard = bpf_get_current_pid_tgid() >> 32;
    if (m->give_up)
        c->unattended = m->life;
    bpf_for_each_map_elem(MAP(flows), CALLBACK(sweep_one), &s, 0);
    m->found = s.found;
    return 0;
}
