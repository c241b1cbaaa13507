// SPDX-License-Identifier: GPL-2.0-only
// The gate: no call of the application gets through to a held socket. A non-blocking caller is told EAGAIN. A blocking
// one is sent SIGSTOP and at once SIGCONT: the second takes the first back, so no stop happens and no parent is told, but
// the thread's "signal pending" flag stays set, and the kernel restarts the call until the flow opens.
#pragma once
#include "again.bpf.h"
#include "first.bpf.h"
#include "owner.bpf.h"
#include "patience.bpf.h"
#include "rules.bpf.h"

enum judgement { PASS, HOLD, DENY };

// A marked socket without an entry is denied where it belongs to this agent's cgroup; another agent's is not our business.
static __always_inline bool ours(struct tcp_sock *tp)
{
    struct settings *c = config();
    struct cgroup *cgroup = BPF_CORE_READ((struct sock *)tp, sk_cgrp_data.cgroup);
    if (!c || !cgroup)
        return true;
    u32 level = c->cgroup_level;
    if ((u32)BPF_CORE_READ(cgroup, level) < level)
        return false;
    return cgroup_at(cgroup, level) == c->cgroup;
}

SYMBOL(tcp_splice_read);

// Whether calls go to the TLS layer already: the kernel sets rx_conf first, then the protocol's functions, then the
// socket's, and only then wakes a reader. One let through in between would be handed ciphertext.
static __always_inline bool switched(struct socket *sock, struct tcp_sock *tp)
{
    struct tls_context *tls = tls_of(tp);
    if (!tls || !BPF_CORE_READ_BITFIELD_PROBED(tls, rx_conf))
        return false;
    if (BPF_CORE_READ((struct sock *)tp, __sk_common.skc_prot, recvmsg) == BPF_CORE_READ(tls, sk_proto, recvmsg))
        return false;
    return (void *)BPF_CORE_READ(sock, ops, splice_read) != ADDRESS(tcp_splice_read);
}

// TX is installed before RX, and RX before the wake-up: the socket itself opens the gate.
static __always_inline void advance(void *ctx, struct socket *sock, struct tcp_sock *tp, struct flow *f, u64 cookie)
{
    u32 state = f->state;
    u64 now = bpf_ktime_get_ns();
    if (state == INSTALLING && switched(sock, tp)) {
        if (move_state(f, INSTALLING, OPEN))
            f->opened = now;
    } else if (f->deadline == NOBODY_WAITS) {
        struct settings *c = config();
        f->deadline = now + (c ? c->gate_ns : 0);
    } else if (is_over(f, now)) {
        expire(ctx, f, cookie, state);
    }
}

static __always_inline bool decided_upon(u32 state)
{
    return state == OPEN || state == CLEAR || state == REFUSED;
}

// Judged by the state as it is afterwards, whoever moved it: the wake-up was one edge, and a reader that spends it on an
// EAGAIN, because the agent opened the gate in that very moment, is woken by nothing any more.
static __always_inline int judge(void *ctx, struct socket *sock, struct tcp_sock *tp, struct flow *f, u64 cookie)
{
    if (!decided_upon(f->state))
        advance(ctx, sock, tp, f, cookie);
    u32 state = *(volatile u32 *)&f->state;
    if (!decided_upon(state))
        return HOLD;
    return state == REFUSED ? DENY : PASS;
}

static __always_inline bool never_waits(struct file *file, unsigned int flags)
{
    struct task_struct *task = this_task();
    return flags & MSG_DONTWAIT || (file && file->f_flags & O_NONBLOCK) || FIELD(task, flags) & (PF_KTHREAD | PF_IO_WORKER);
}

// 512 must never reach a program: without the pending signal the kernel would not restart the call.
static __always_inline int restart(void)
{
    if (bpf_send_signal_thread(SIGSTOP))
        return -EINTR;
    for (int i = 0; i < 3; i++)
        if (!bpf_send_signal_thread(SIGCONT))
            break;
    return -ERESTARTSYS;
}

#define REPORT_NS 10000000

// Reported once per process: an event for every restart starves the agent. Another process may have the descriptor by now.
static __always_inline void note_held(void *ctx, struct flow *f, u64 cookie, struct file *file)
{
    u32 pid = bpf_get_current_pid_tgid() >> 32;
    u64 now;
    __sync_fetch_and_add(&f->restarts, 1);
    if (f->reporter == pid)
        return;
    now = bpf_ktime_get_ns();
    if (now - f->reported < REPORT_NS)
        return;
    f->reporter = pid;
    f->reported = now;
    if (!f->held)
        f->held = now;
    owned(ctx, cookie, -1, file ? file->f_inode->i_ino : 0, 1);
}

// Not by the agent, which calls into a socket itself where the one before died in the middle of an install; and not before
// it is noted when the flow was opened, which the next call finds done.
static __always_inline void note_use(struct flow *f)
{
    struct settings *c = config();
    if (c && !by_agent(c) && (f->opened || f->state != OPEN))
        f->used = bpf_ktime_get_ns();
}

static __always_inline int gate(void *ctx, struct socket *sock, unsigned int flags, enum call call, struct msghdr *msg)
{
    struct sock *sk = sock->sk;
    struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;
    if (!tp || !marked(tp))
        return 0;
    u64 cookie = bpf_get_socket_cookie(sk);
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!f) // secured by an agent before this one, or else never let in
        return (tx_installed(tp) && rx_installed(tp)) || !ours(tp) ? 0 : -ECONNRESET;
    int judgement = judge(ctx, sock, tp, f, cookie);
    if (judgement == PASS && !f->used && call != SHUTS_DOWN)
        note_use(f);
    if (judgement != HOLD)
        return judgement == PASS ? 0 : -ECONNRESET;
    struct file *file = sock->file;
    bool blocks = call == SHUTS_DOWN || !never_waits(file, flags);
    note_first(ctx, f, cookie, call, msg, blocks);
    note_held(ctx, f, cookie, file);
    if (call == SHUTS_DOWN)
        return restart();
    return (blocks ? !time_is_up(sk, cookie, call) : insists(tp, f, cookie, file, call)) ? restart() : -EAGAIN;
}

// Fast Open would carry clear bytes in the SYN; told that it does not exist here, programs connect first.
static __always_inline bool fast_open(struct msghdr *msg)
{
    struct { u16 family, port; u32 flow; u32 word[4]; } to = {};
    struct query q = { .side = CLIENT, .has_comm = 1 };
    struct row *r;
    if (!(msg->msg_flags & MSG_FASTOPEN) || bpf_probe_read_kernel(&to, sizeof(to), msg->msg_name))
        return false;
    u32 mapped[4] = { 0, 0, bpf_htonl(0xffff), to.flow };
    __builtin_memcpy(&q.remote, to.family == AF_INET6 ? to.word : mapped, sizeof(q.remote));
    q.port = bpf_ntohs(to.port);
    bpf_get_current_comm(q.comm, sizeof(q.comm));
    r = match(&q);
    return r && r->mode > OBSERVE;
}

SEC("fmod_ret/security_socket_sendmsg")
int BPF_PROG(gate_send, struct socket *sock, struct msghdr *msg, int size, int ret)
{
    if (ret)
        return ret;
    return fast_open(msg) ? -EOPNOTSUPP : gate(ctx, sock, msg->msg_flags, SENDS, msg);
}

SEC("fmod_ret/security_socket_recvmsg")
int BPF_PROG(gate_recv, struct socket *sock, struct msghdr *msg, int size, int flags, int ret)
{
    return ret ? ret : gate(ctx, sock, flags, RECEIVES, 0);
}

// splice and sendfile reach a socket by its file and pass by none of the two above.
SEC("fmod_ret/security_file_permission")
int BPF_PROG(gate_file, struct file *file, int mask, int ret)
{
    if (ret || (file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
        return ret;
    struct socket *sock = bpf_sock_from_file(file);
    return sock ? gate(ctx, sock, 0, mask & MAY_WRITE ? SENDS : RECEIVES, 0) : 0;
}

SEC("fmod_ret/security_socket_shutdown")
int BPF_PROG(gate_shutdown, struct socket *sock, int how, int ret)
{
    u8 state = sock->sk ? sock->sk->__sk_common.skc_state : SK_CLOSE;
    if (ret || (state != SK_ESTABLISHED && state != SK_CLOSE_WAIT))
        return ret;
    return gate(ctx, sock, 0, SHUTS_DOWN, 0);
}

// At start the agent asks whether the pair of signals leaves a thread running on this kernel: a child of its arms the
// probe, and its next calls are restarted here. Process id in the upper half, restarts to go in the lower.
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, u32); __type(value, u64); } probing MAPS;

SEC("syscall")
int arm_probe(void *unused)
{
    u32 zero = 0;
    u64 value = (bpf_get_current_pid_tgid() >> 32 << 32) | 3;
    return bpf_map_update_elem(MAP(probing), &zero, &value, BPF_ANY);
}

SEC("fmod_ret/security_socket_sendmsg")
int BPF_PROG(probe_signals, struct socket *sock, struct msghdr *msg, int size, int ret)
{
    u32 zero = 0;
    u64 *left = bpf_map_lookup_elem(MAP(probing), &zero);
    if (ret || !left || !(u32)*left || *left >> 32 != bpf_get_current_pid_tgid() >> 32)
        return ret;
    __sync_fetch_and_add(left, -1);
    return restart();
}
