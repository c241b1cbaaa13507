// SPDX-License-Identifier: GPL-2.0-only
// A connection begins: its rule, its first state and its flow, written before its owner can touch the socket.
#pragma once
#include "owner.bpf.h"
#include "promise.bpf.h"
#include "rules.bpf.h"
#include "socket.bpf.h"
#include "syn.bpf.h"

static __always_inline struct row *rule_of(const struct tuple *t, u8 side, const struct owner *owner)
{
    struct settings *c = config();
    if (!c || (side == CLIENT ? owner && by_agent(c) : t->local_port == c->peering_port))
        return 0;
    struct query q = { .remote = t->remote, .port = side == CLIENT ? t->remote_port : t->local_port, .side = side };
    if (owner) {
        q.has_comm = 1;
        __builtin_memcpy(q.comm, owner->comm, sizeof(q.comm));
    }
    return match(&q);
}

static __always_inline void report(void *ctx, u64 cookie, const struct flow *f)
{
    struct seen e = { .head = { .kind = SEEN, .cookie = cookie, .time = f->born }, .tuple = f->tuple, .rule = f->rule, .side = f->side, .mode = f->mode, .state = f->state, .syn_held = f->syn_held, .owner = f->owner, .passthrough = f->passthrough };
    emit(ctx, &e, sizeof(e));
}

// Why a connection is decided upon as it begins; 0 where it is not. Long after an agent died nobody comes in time to
// secure what begins, so its owner is not made to wait.
static __always_inline u32 decided_first(struct bpf_sock_ops *s, const struct settings *c, u8 mode)
{
    if (mode <= OBSERVE)
        return 0;
    if (c->unattended && c->unattended == c->life)
        return UNATTENDED;
    return unfit(s);
}

static __always_inline u32 first_state(u8 mode, bool owed, u32 why)
{
    if (mode <= OBSERVE)
        return CLEAR;
    if (!why)
        return owed ? ASKED : NEW;
    return owed || mode == REQUIRE ? REFUSED : CLEAR;
}

static __always_inline void none_of_ours(struct bpf_sock_ops *s)
{
    u32 flags = s->bpf_sock_ops_cb_flags;
    if ((flags & MARK) == MARK)
        bpf_sock_ops_cb_flags_set(s, flags & ~MARK);
}

// The mark comes first: a marked socket whose flow could not be written is denied, not let through.
static __always_inline void enter(struct bpf_sock_ops *s, u64 cookie, struct flow *f, u32 why)
{
    u32 flags = s->bpf_sock_ops_cb_flags;
    bpf_sock_ops_cb_flags_set(s, flags | MARK);
    if (s->op == BPF_SOCK_OPS_TCP_CONNECT_CB && syn_waits(f))
        hold_syn(s, f);
    if (bpf_map_update_elem(MAP(flows), &cookie, f, BPF_ANY)) {
        if (f->mode == OBSERVE)
            bpf_sock_ops_cb_flags_set(s, flags & ~MARK);
        decide(s, f, cookie, f->mode == OBSERVE ? CLEAR : REFUSED, TABLE_FULL);
        return;
    }
    if (f->side == SERVER)
        keep_promise(f, cookie, &f->tuple);
    if (why == UNATTENDED) { // the events' room is for those whom an agent can still do something about
        count_decision(f->state);
        return;
    }
    report(s, cookie, f);
    if (f->side == SERVER && (f->passthrough || f->mode == PREFER))
        leave_as_told(s, f, cookie, &f->tuple);
    if (why)
        decide(s, f, cookie, f->state, why);
}

static __always_inline void begin(struct bpf_sock_ops *s, u64 cookie, u8 side)
{
    u64 now = bpf_ktime_get_ns();
    struct flow f = { .side = side, .born = now, .tuple = tuple_of(s) };
    struct owner *owner = 0;
    f.owner.fd = -1;
    if (s->op == BPF_SOCK_OPS_TCP_CONNECT_CB) {
        f.owner = connector();
        owner = &f.owner;
    }
    struct row *r = rule_of(&f.tuple, f.side, owner);
    if (!r && owner && in_repair(s)) { // both ends of a connection are put together by connect()
        f.side = SERVER;
        r = rule_of(&f.tuple, SERVER, 0);
    }
    struct settings *c = config();
    bool owed = f.side == SERVER && promised(&f.tuple, now);
    if (!c || (!owed && (!r || r->mode == BYPASS))) {
        none_of_ours(s);
        return;
    }
    f.sock = (u64)socket_in(s);
    f.deadline = now + c->handshake_ns;
    f.rule = r ? r->rule : 0;
    f.passthrough = r && r->mode > OBSERVE ? r->passthrough : 0;
    f.mode = r && r->mode > OBSERVE ? r->mode : owed ? REQUIRE : OBSERVE;
    u32 why = decided_first(s, c, f.mode);
    f.state = first_state(f.mode, owed, why);
    if (owner) // none of those that no rule matches: they need not wait for it
        note_descriptor(s->sk, owner);
    enter(s, cookie, &f, why);
}

// A socket that is both connecting and accepting: both ends would be "server", with one key.
static __always_inline bool simultaneous(void *ctx, u64 cookie)
{
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!f || f->side != CLIENT || f->mode <= OBSERVE)
        return f != 0;
    f->state = REFUSED;
    decide(ctx, f, cookie, REFUSED, SIMULTANEOUS_OPEN);
    return true;
}

// One whose SYN left before the programs were there is held from now on.
static __always_inline void late(struct bpf_sock_ops *s, u64 cookie)
{
    struct settings *c = config();
    if (c && bpf_ktime_get_ns() < c->settled && !bpf_map_lookup_elem(MAP(flows), &cookie))
        begin(s, cookie, CLIENT);
}
