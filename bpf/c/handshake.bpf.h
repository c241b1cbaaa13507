// SPDX-License-Identifier: GPL-2.0-only
// Connections begin and end here: sockops writes the flow before its owner can touch the socket, holds the SYN of a
// connection whose keys take long, and forgets the flow when TCP closes.
#pragma once
#include "owner.bpf.h"
#include "rules.bpf.h"

#define RETRIES_MORE 8 // 4 ms * 2^8 is about TCP's own first timeout of 1 s, so patience stays what it was
#define HOPELESS 1

static __always_inline struct tcp_sock *socket_in(struct bpf_sock_ops *s)
{
    struct bpf_sock *sk = s->sk;
    return sk ? bpf_skc_to_tcp_sock(sk) : 0;
}

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

// Put together by its program (CRIU): the other end has begun long ago, and will not begin anew.
static __always_inline bool in_repair(struct bpf_sock_ops *s)
{
    struct tcp_sock *tp = socket_in(s);
    return tp && BPF_CORE_READ_BITFIELD_PROBED(tp, repair);
}

// Why a socket can take no TLS, or 0: that of MPTCP's program is another one, and one that the kernel connects for itself
// (NFS, CIFS, 9p) has no descriptor by which it could be had.
static __always_inline u32 unfit(struct bpf_sock_ops *s)
{
    struct tcp_sock *tp = socket_in(s);
    if (!tp)
        return 0;
    if (has_mptcp(tp))
        return MPTCP;
    if (in_repair(s))
        return REPAIR;
    bool connects = s->op == BPF_SOCK_OPS_TCP_CONNECT_CB;
    return connects && !BPF_CORE_READ((struct sock *)tp, sk_socket, file) ? KERNEL_SOCKET : 0;
}

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

// Whether our FIN is among what was sent: it is the last of all that was to be.
static __always_inline bool fin_sent(const struct tcp_sock *tp, u32 sent, u32 before)
{
    bool ending = before == SK_FIN_WAIT1 || before == SK_FIN_WAIT2 || before == SK_CLOSING || before == SK_LAST_ACK;
    return ending && sent == tp->write_seq;
}

// Of what TCP counts, a SYN of ours and both FINs are one each; and what was sent before a reset came is not acknowledged.
static __always_inline void count_payload(struct bpf_sock_ops *s, const struct flow *f, u32 before, struct closed *e)
{
    struct tcp_sock *tp = socket_in(s);
    if (!tp || !f->established)
        return;
    u32 sent = s->snd_nxt, under_way = sent - s->snd_una;
    bool ended = BPF_CORE_READ((struct sock *)tp, __sk_common.skc_flags) >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1;
    e->sent = s->bytes_acked + under_way - (f->side == CLIENT) - fin_sent(tp, sent, before);
    e->received = s->bytes_received - ended;
}

// What a program may still read from a closed socket passes where it would have passed before: the mark goes with the
// entry of one in clear; one that is KTLS passes by what is installed, and its keys stay guarded; the queue of one that
// was held may hold the peer's ciphertext, and stays closed.
static __always_inline void closed(struct bpf_sock_ops *s, u64 cookie, u32 before)
{
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!f)
        return;
    struct closed e = { .head = header(CLOSED, cookie), .state = f->state, .restarts = f->restarts, .held = f->held, .opened = f->opened, .used = f->used, .records_sent = f->records_sent, .records_received = f->records_received };
    count_payload(s, f, before, &e);
    if (before == SK_SYN_SENT)
        restore_retries(s, f);
    if (f->state == CLEAR || before == SK_SYN_SENT)
        none_of_ours(s);
    u64 *latest = bpf_map_lookup_elem(MAP(accepted), &f->tuple);
    if (latest && *latest == cookie)
        bpf_map_delete_elem(MAP(accepted), &f->tuple);
    bpf_map_delete_elem(MAP(flows), &cookie);
    emit(s, &e, sizeof(e));
}

// A held socket whose last owner closed it: shutdown() waits, so nothing else leads there. Told as an owner that is none.
static __always_inline void abandoned(void *ctx, u64 cookie)
{
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!f || f->mode <= OBSERVE || f->state >= OPEN)
        return;
    struct owned e = { .head = header(OWNED, cookie), .owner = { .fd = -1 } };
    f->owner = (struct owner){}; // where none was known yet the descriptor is -1
    emit(ctx, &e, sizeof(e));
}

// One whose SYN left before the programs were there is held from now on.
static __always_inline void late(struct bpf_sock_ops *s, u64 cookie)
{
    struct settings *c = config();
    if (c && bpf_ktime_get_ns() < c->settled && !bpf_map_lookup_elem(MAP(flows), &cookie))
        begin(s, cookie, CLIENT);
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
