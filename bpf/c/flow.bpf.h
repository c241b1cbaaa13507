// SPDX-License-Identifier: GPL-2.0-only
// The flow table, the settings, and the events that the agent reads. Layouts are repeated in layout.py, which a test
// compares with this object's BTF.
#pragma once
#include "kernel.bpf.h"

enum state { NEW = 1, ASKED, ARMED, INSTALLING, OPEN, REFUSED, CLEAR };
enum side { CLIENT = 1, SERVER = 2 };
enum call { RECEIVES, SENDS, SHUTS_DOWN }; // into a held socket
enum mode { BYPASS, OBSERVE, PREFER, REQUIRE };
enum reason { DEADLINE = 1, MPTCP, SIMULTANEOUS_OPEN, TABLE_FULL, PASSTHROUGH, NOT_TLS, UNATTENDED, REPAIR, KERNEL_SOCKET, NOT_HELD };
enum first { TLS_FIRST = 1, OTHER_FIRST };

struct address { u64 word[2]; }; // network byte order, IPv4 as IPv4-mapped IPv6
struct tuple { struct address local, remote; u16 local_port, remote_port; u32 pad; };

struct owner { u64 inode; u32 pid; s32 fd; char comm[16]; };

// This and the settings outlive the agent and its release: members are appended out of the reserve, never moved.
struct flow {
    u32 state, rule;
    u8 side, mode, syn_held, syn_retries; // what TCP_SYNCNT was before the SYN was held
    u32 restarts;
    u64 born, deadline, held, opened, fin, reported;
    u32 reporter, first;
    u32 passthrough, proven; // its first bytes on the wire were those of TLS
    struct tuple tuple;
    struct owner owner; // who had it last; whoever believes it looks at the socket
    u32 local_isn, remote_isn;
    u64 established;
    u32 tried, pad; // who had it when the guard ended it, plus one
    u64 sock; // where the kernel has it
    u64 used; // when the first call of its program was let through
    u32 records_sent, records_received; // numbers of the next ones as its program closed it, plus one
    u64 reserve[1];
};

struct settings {
    u64 cgroup, handshake_ns, gate_ns, warm_ns, settled; // until then a connection may be older than the programs
    u32 agent, cgroup_level, syn_jiffies;
    u16 peering_port, pad;
    u64 agent_since;
    u64 life, unattended; // which agent this is; which one is dead, and nobody came for long
    u64 guard; // the process that is at work since an agent died
    u64 stops; // whether processes are stopped, since no call can be kept back
    u64 reserve[4];
};

// Decisions of the programs alone, and how many of these an agent has reported; `since`: when the agent before ended.
struct tally { u64 released, refused, released_told, refused_told, since, reserve[3]; };

#define CROWD 12 // deadlines of a handshake: so long an agent may work for those that came before
#define NOBODY_WAITS (~0ULL) // a deadline: it begins with the next call
#define MARK (BPF_SOCK_OPS_STATE_CB_FLAG | BPF_SOCK_OPS_RTO_CB_FLAG)

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 65536); __type(key, u64); __type(value, struct flow); } flows MAPS;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, u32); __type(value, struct settings); } settings MAPS;
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 4096); __type(key, struct address); __type(value, u64); } warm MAPS; // when its agent answered last
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 65536); __type(key, struct tuple); __type(value, u64); } expected MAPS;
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, struct tuple); __type(value, u64); } left MAPS; // until when, and why: see `left_for`
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 65536); __type(key, struct tuple); __type(value, u64); } accepted MAPS; // cookies
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, u32); __type(value, u64); } pulse MAPS; // when the agent last did something for any flow
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 1); __type(key, u32); __type(value, u64); } lost MAPS;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 1); __type(key, u32); __type(value, struct tally); } tally MAPS;

enum kind { SEEN = 1, ESTABLISHED, OWNED, DECIDED, CLOSED, SPOKE, WORN };
struct header { u32 kind, pad; u64 cookie, time; };
struct seen { struct header head; struct tuple tuple; u32 rule; u8 side, mode, state, syn_held; struct owner owner; u32 passthrough, pad; };
struct established { struct header head; u32 local_isn, remote_isn; };
struct owned { struct header head; struct owner owner; u64 held; };
struct decided { struct header head; u32 state, reason; u64 number; };
struct spoke { struct header head; u32 tls, pad; };
struct worn { struct header head; u64 records, bytes; u32 sent, pad; };
struct closed { struct header head; u32 state, restarts; u64 held, opened, used, sent, received; u32 records_sent, records_received; };

#ifdef BY_PERF
#include "perf.bpf.h"
#else
#include "ring.bpf.h"
#endif

static __always_inline struct settings *config(void)
{
    u32 zero = 0;
    return bpf_map_lookup_elem(MAP(settings), &zero);
}

// Whether the agent itself is calling; not the process that has its number, once it is dead.
static __always_inline bool by_agent(const struct settings *c)
{
    struct task_struct *task = this_task();
    return (u32)FIELD(task, tgid) == c->agent && BPF_CORE_READ(task, group_leader, start_time) == c->agent_since;
}

// Why a peer leaves a connection alone is in the last bits of the time until which it does: whose socket can take no TLS, or
// whose application speaks it.
#define WHY_MASK 15ULL

static __always_inline u32 left_for(u64 until)
{
    u32 why = until & WHY_MASK;
    return why == MPTCP || why == KERNEL_SOCKET ? why : PASSTHROUGH;
}

// What the other end cannot do lets this one go where TLS is only preferred: else any peer could have it in clear.
static __always_inline bool lets_go(u32 mode, u32 passthrough, u32 why)
{
    return why == PASSTHROUGH ? mode > OBSERVE && passthrough : mode == PREFER;
}

static __always_inline struct header header(u32 kind, u64 cookie)
{
    return (struct header){ .kind = kind, .cookie = cookie, .time = bpf_ktime_get_ns() };
}

// `ctx`: the calling program's, or 0 where that may sleep: what the agent or its guard calls.
static __always_inline void emit(void *ctx, void *event, u64 size)
{
    u32 zero = 0;
    u64 *count;
    if (send_event(ctx, event, size) && (count = bpf_map_lookup_elem(MAP(lost), &zero)))
        __sync_fetch_and_add(count, 1);
}

static __always_inline u64 *pulse_of_agent(void)
{
    u32 zero = 0;
    return bpf_map_lookup_elem(MAP(pulse), &zero);
}

// One transition of a flow's state; returns the state before. Together with the rule beside it, which never changes: what
// bcc has a program compiled to compares and swaps eight bytes, and no fewer.
static __always_inline u32 swap_state(struct flow *f, u32 from, u32 to)
{
    u64 rule = (u64)f->rule << 32;
    return __sync_val_compare_and_swap((u64 *)&f->state, rule | from, rule | to);
}

// True where the transition was this caller's to make.
static __always_inline bool move_state(struct flow *f, u32 from, u32 to)
{
    return swap_state(f, from, to) == from;
}

// Which decision of its kind this is: an agent that was told of so many at once does not count it again.
static __always_inline u64 count_decision(u32 state)
{
    u32 zero = 0;
    struct tally *t = bpf_map_lookup_elem(MAP(tally), &zero);
    if (!t)
        return 0;
    return 1 + (state == CLEAR ? __sync_fetch_and_add(&t->released, 1) : __sync_fetch_and_add(&t->refused, 1));
}

static __always_inline void decide(void *ctx, struct flow *f, u64 cookie, u32 state, u32 reason)
{
    struct decided e = { .head = header(DECIDED, cookie), .state = state, .reason = reason, .number = count_decision(state) };
    emit(ctx, &e, sizeof(e));
}

// Whether the agent works, and this flow waits in a crowd of others: the deadlines are for an agent that does not.
static __always_inline bool in_a_crowd(const struct flow *f, u64 now)
{
    struct settings *c = config();
    u64 *latest = pulse_of_agent();
    return c && latest && now < *latest + c->gate_ns && now < f->deadline + CROWD * c->handshake_ns;
}

static __always_inline bool is_over(const struct flow *f, u64 now)
{
    return now > f->deadline && !in_a_crowd(f, now);
}

// At its deadline a flow that nobody was asked about is released where its rule prefers only; any other is refused.
static __always_inline void expire(void *ctx, struct flow *f, u64 cookie, u32 state)
{
    u32 to = f->mode == PREFER && state == NEW ? CLEAR : REFUSED;
    if (!move_state(f, state, to))
        return;
    if (to == CLEAR)
        f->opened = bpf_ktime_get_ns();
    decide(ctx, f, cookie, to, DEADLINE);
}

// A socket is ours where sockops marked it. The mark is two callback flags together, because one alone may be another
// program's; it is in the socket, so that sockets which are none of ours cost two loads and no look-up.
static __always_inline bool marked(struct tcp_sock *tp)
{
    return (FIELD(tp, bpf_sock_ops_cb_flags) & MARK) == MARK;
}

static __always_inline struct tls_context *tls_of(struct tcp_sock *tp)
{
    struct tls_context *tls = FIELD(tp, inet_conn.icsk_ulp_data);
    u32 name = 0;
    if (!tls || bpf_probe_read_kernel(&name, 3, BPF_CORE_READ(tp, inet_conn.icsk_ulp_ops, name)))
        return 0;
    return name == ('t' | 'l' << 8 | 's' << 16) ? tls : 0;
}

static __always_inline bool rx_installed(struct tcp_sock *tp)
{
    struct tls_context *tls = tls_of(tp);
    return tls && BPF_CORE_READ_BITFIELD_PROBED(tls, rx_conf);
}

static __always_inline bool tx_installed(struct tcp_sock *tp)
{
    struct tls_context *tls = tls_of(tp);
    return tls && BPF_CORE_READ_BITFIELD_PROBED(tls, tx_conf);
}
