// SPDX-License-Identifier: GPL-2.0-only
// Connections begin and end here: sockops writes the flow before its owner can touch the socket, holds the SYN of a
// connection whose keys take long, and forgets the flow when TCP closes.
#pragma once
#include "owner.bpf.h"
#include "rules.bpf.h"

#define RETRIES_MORE 7 // 12 ms * 2^7 is about TCP's own first timeout of 1 s, so patience stays what it was

// Volatile, or the compiler merges the reads of both branches into one through a changed context pointer.
static __always_inline struct tuple tuple_of(volatile struct bpf_sock_ops *s)
{
    struct tuple t = { .local_port = s->local_port, .remote_port = bpf_ntohl(s->remote_port) };
    u32 local[4] = { 0, 0, bpf_htonl(0xffff), s->local_ip4 }, remote[4] = { 0, 0, bpf_htonl(0xffff), s->remote_ip4 };
    if (s->family == AF_INET6) {
        local[0] = s->local_ip6[0], local[1] = s->local_ip6[1], local[2] = s->local_ip6[2], local[3] = s->local_ip6[3];
        remote[0] = s->remote_ip6[0], remote[1] = s->remote_ip6[1], remote[2] = s->remote_ip6[2], remote[3] = s->remote_ip6[3];
    }
    __builtin_memcpy(&t.local, local, sizeof(local));
    __builtin_memcpy(&t.remote, remote, sizeof(remote));
    return t;
}

static __always_inline struct row *rule_of(const struct tuple *t, u8 side, const struct owner *owner)
{
    struct settings *c = config();
    if (!c || (side == CLIENT ? owner && owner->pid == c->agent : t->local_port == c->peering_port))
        return 0;
    struct query q = { .remote = t->remote, .port = side == CLIENT ? t->remote_port : t->local_port, .side = side };
    if (owner) {
        q.has_comm = 1;
        __builtin_memcpy(q.comm, owner->comm, sizeof(q.comm));
    }
    return match(&q);
}

static __always_inline void report(u64 cookie, const struct flow *f, const struct owner *owner)
{
    struct seen e = { .head = header(SEEN, cookie), .tuple = f->tuple, .rule = f->rule, .side = f->side, .mode = f->mode, .state = f->state, .syn_held = f->syn_held };
    if (owner)
        e.owner = *owner;
    else
        e.owner.fd = -1;
    emit(&e, sizeof(e));
}

static __always_inline bool is_mptcp(struct bpf_sock_ops *s)
{
    struct bpf_sock *sk = s->sk;
    struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;
    return tp && bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp;
}

// The SYN waits where no session to the peer is up; TCP then repeats it soon, and as patiently as before.
static __always_inline void hold_syn(struct bpf_sock_ops *s, struct flow *f)
{
    int retries = 6;
    if (bpf_map_lookup_elem(&warm, &f->tuple.remote))
        return;
    f->syn_held = 1;
    bpf_getsockopt(s, SOL_TCP, TCP_SYNCNT, &retries, sizeof(retries));
    retries += RETRIES_MORE;
    if (retries > 127)
        retries = 127;
    bpf_setsockopt(s, SOL_TCP, TCP_SYNCNT, &retries, sizeof(retries));
}

static __always_inline u32 first_state(struct bpf_sock_ops *s, const struct row *r, const struct tuple *t, u64 now)
{
    if (r->mode <= OBSERVE)
        return CLEAR;
    if (is_mptcp(s))
        return r->mode == REQUIRE ? REFUSED : CLEAR;
    u64 *until = bpf_map_lookup_elem(&expected, t);
    if (!until)
        return NEW;
    bpf_map_delete_elem(&expected, t);
    return now < *until ? ASKED : NEW;
}

// The mark comes first: a marked socket whose flow could not be written is denied, not let through.
static __always_inline void begin(struct bpf_sock_ops *s, u64 cookie, u8 side)
{
    struct tuple t = tuple_of(s);
    struct owner *owner = side == CLIENT ? bpf_map_lookup_elem(&connecting, &cookie) : 0;
    struct row *r = rule_of(&t, side, owner);
    struct settings *c = config();
    u32 flags = s->bpf_sock_ops_cb_flags;
    if (!r || !c || r->mode == BYPASS) {
        if ((flags & MARK) == MARK)
            bpf_sock_ops_cb_flags_set(s, flags & ~MARK);
        return;
    }
    u64 now = bpf_ktime_get_ns();
    bpf_sock_ops_cb_flags_set(s, flags | MARK);
    struct flow f = { .state = first_state(s, r, &t, now), .rule = r->rule, .side = side, .mode = r->mode, .deadline = now + c->handshake_ns, .tuple = t };
    if (side == CLIENT && f.state == NEW)
        hold_syn(s, &f);
    if (bpf_map_update_elem(&flows, &cookie, &f, BPF_ANY)) {
        if (r->mode == OBSERVE)
            bpf_sock_ops_cb_flags_set(s, flags & ~MARK);
        decide(&f, cookie, r->mode == OBSERVE ? CLEAR : REFUSED, TABLE_FULL);
        return;
    }
    report(cookie, &f, owner);
    if (f.state == REFUSED || (f.state == CLEAR && r->mode > OBSERVE))
        decide(&f, cookie, f.state, MPTCP);
}

static __always_inline void established(struct bpf_sock_ops *s, u64 cookie)
{
    struct flow *f = bpf_map_lookup_elem(&flows, &cookie);
    if (!f)
        return;
    if (f->syn_held) { // many repeated SYNs would leave a window of one segment
        int window = 10;
        bpf_setsockopt(s, SOL_TCP, TCP_BPF_IW, &window, sizeof(window));
    }
    struct settings *c = config();
    if (c && f->state >= ARMED && f->state < OPEN)
        f->deadline = bpf_ktime_get_ns() + c->gate_ns;
    struct established e = { .head = header(ESTABLISHED, cookie), .local_isn = s->snd_nxt, .remote_isn = s->rcv_nxt };
    emit(&e, sizeof(e));
}

// A socket that is both connecting and accepting: both ends would be "server", with one key.
static __always_inline bool simultaneous(u64 cookie)
{
    struct flow *f = bpf_map_lookup_elem(&flows, &cookie);
    if (!f || f->side != CLIENT || f->mode <= OBSERVE)
        return f != 0;
    f->state = REFUSED;
    decide(f, cookie, REFUSED, SIMULTANEOUS_OPEN);
    return true;
}

// What a program may still read from a closed socket passes where it would have passed before: the mark goes with the
// entry, but for a flow that was held, whose queue may hold the peer's ciphertext.
static __always_inline void closed(struct bpf_sock_ops *s, u64 cookie, u32 before)
{
    struct flow *f = bpf_map_lookup_elem(&flows, &cookie);
    if (!f)
        return;
    struct closed e = { .head = header(CLOSED, cookie), .state = f->state, .restarts = f->restarts, .sent = s->bytes_acked, .received = s->bytes_received };
    if (f->held && f->opened)
        e.held_ns = f->opened - f->held;
    if (f->state == OPEN || f->state == CLEAR || before == SK_SYN_SENT)
        bpf_sock_ops_cb_flags_set(s, s->bpf_sock_ops_cb_flags & ~MARK);
    bpf_map_delete_elem(&flows, &cookie);
    emit(&e, sizeof(e));
}

static __always_inline int syn_timeout(u64 cookie)
{
    struct flow *f = bpf_map_lookup_elem(&flows, &cookie);
    struct settings *c = config();
    return f && c && f->syn_held ? (int)c->syn_jiffies : -1;
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
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
        if (simultaneous(cookie))
            break;
        begin(s, cookie, SERVER);
        established(s, cookie);
        break;
    case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
        established(s, cookie);
        break;
    case BPF_SOCK_OPS_STATE_CB:
        if (s->args[1] == SK_CLOSE)
            closed(s, cookie, s->args[0]);
        break;
    }
    return 1;
}
