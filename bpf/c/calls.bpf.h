// SPDX-License-Identifier: GPL-2.0-only
// What the agent asks of the programs: a state changed by compare-and-swap, so that agent and gate never overrule each
// other, and the rule that a connection would get.
#pragma once
#include "gate.bpf.h"

// `born` names the connection: a socket that connects again keeps its cookie.
struct move { u64 cookie, born, deadline; u32 from, to, before, pad; };

static __always_inline void note_answer(const struct flow *f)
{
    u64 *answered = f->side == CLIENT ? bpf_map_lookup_elem(MAP(warm), &f->tuple.remote) : 0;
    if (answered)
        *answered = bpf_ktime_get_ns();
}

static __always_inline void note_pulse(void)
{
    struct settings *c = config();
    u64 *latest = pulse_of_agent();
    if (latest && c && by_agent(c)) // the guard moves flows too
        *latest = bpf_ktime_get_ns();
}

SEC("syscall")
int move_flow(struct move *m)
{
    u64 cookie = m->cookie;
    note_pulse();
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!f || (m->born && f->born && f->born != m->born))
        return 0; // `before` stays 0: gone
    m->before = swap_state(f, m->from, m->to);
    if (m->before != m->from)
        return 0;
    if (m->deadline)
        f->deadline = m->deadline;
    if (m->to == ARMED && m->from != ARMED)
        note_answer(f);
    if (m->to == OPEN || m->to == CLEAR)
        f->opened = bpf_ktime_get_ns();
    return 0;
}

struct promise { struct tuple tuple; u64 until; u32 before, why; };

// The peer is told that this tuple, our end the server's, will be KTLS: it is ASKED, whether it is here or comes later.
SEC("syscall")
int promise(struct promise *p)
{
    struct tuple t = p->tuple;
    u64 until = p->until;
    note_pulse();
    bpf_map_delete_elem(MAP(left), &t);
    bpf_map_update_elem(MAP(expected), &t, &until, BPF_ANY);
    u64 *cookie = bpf_map_lookup_elem(MAP(accepted), &t);
    struct flow *f = cookie ? bpf_map_lookup_elem(MAP(flows), cookie) : 0;
    if (f)
        p->before = swap_state(f, NEW, ASKED);
    return 0;
}

// Linux 6.1 follows a helper's callback once: of values told apart before `match` it takes one for the other after it, and
// drops the way of the other. So why is looked at after it only.
static __always_inline bool may_leave(struct tuple *t, u64 until)
{
    struct query q = { .remote = t->remote, .port = t->local_port, .side = SERVER };
    struct row *r = match(&q);
    barrier_var(until);
    u64 *promised = bpf_map_lookup_elem(MAP(expected), t);
    return r && lets_go(r->mode, r->passthrough, left_for(until)) && !(promised && bpf_ktime_get_ns() < *promised);
}

// The peer's application speaks TLS itself, or its socket can take none: this tuple, our end the server's, is left alone,
// whether it is here or comes later; if its rule says so, and nobody was promised anything else. `before` is CLEAR where it
// is agreed.
SEC("syscall")
int leave(struct promise *p)
{
    struct tuple t = p->tuple;
    u64 until = (p->until & ~WHY_MASK) | (p->why & WHY_MASK);
    if (!may_leave(&t, until))
        return 0;
    u32 why = left_for(until);
    bpf_map_update_elem(MAP(left), &t, &until, BPF_ANY);
    p->before = CLEAR;
    u64 *latest = bpf_map_lookup_elem(MAP(accepted), &t), cookie;
    if (!latest)
        return 0;
    cookie = *latest;
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!f)
        return 0;
    if (lets_go(f->mode, f->passthrough, why) && move_state(f, NEW, CLEAR))
        decide(0, f, cookie, CLEAR, why);
    p->before = f->state;
    bpf_map_delete_elem(MAP(left), &t);
    return 0;
}

struct ask { struct query query; u32 rule, mode, found, pad; };

SEC("syscall")
int ask_rule(struct ask *a)
{
    struct query q = a->query;
    struct row *r = match(&q);
    if (!r)
        return 0;
    a->rule = r->rule, a->mode = r->mode, a->found = 1;
    return 0;
}

// The number by which the programs know the agent: that of the outermost pid namespace, which it may not see itself.
SEC("syscall")
int announce(void *unused)
{
    struct settings *c = config();
    struct task_struct *task = this_task();
    if (c) {
        c->agent_since = BPF_CORE_READ(task, group_leader, start_time);
        c->agent = FIELD(task, tgid);
    }
    return 0;
}
