// SPDX-License-Identifier: GPL-2.0-only
// The weaker hold, for kernels that let no program change what a function returns: a whole process is stopped (SIGSTOP)
// when connect() has its connection, accept() its descriptor, or poll() looks at a held one, and the agent lets it go on. A
// call can be seen here, and not be kept back: one that comes all the same ends the connection's way to TLS at once,
// before it has queued or read anything, and the wall drops what it queues.
#pragma once
#include "owner.bpf.h"

struct stop { u64 cookie; u32 pid, pad; };
struct installing { u64 cookie, inode; s32 fd; u32 pad; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4096); __type(key, struct stop); __type(value, u64); } stopped MAPS; // when
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 4096); __type(key, u32); __type(value, u64); } connecting MAPS; // sockets
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 4096); __type(key, u32); __type(value, struct installing); } installing MAPS;

// The flow of a socket that is marked; the kernel's function has it as a mere address.
static __always_inline struct flow *flow_of(struct sock *sk, u64 *cookie)
{
    u8 flags = BPF_CORE_READ((struct tcp_sock *)sk, bpf_sock_ops_cb_flags);
    if ((flags & MARK) != MARK)
        return 0;
    *cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
    return bpf_map_lookup_elem(MAP(flows), cookie);
}

static __always_inline bool is_established(struct sock *sk)
{
    return BPF_CORE_READ(sk, __sk_common.skc_state) == SK_ESTABLISHED;
}

static __always_inline bool is_held(const struct flow *f)
{
    return f->mode > OBSERVE && f->state < OPEN;
}

static __always_inline bool can_be_stopped(struct task_struct *task)
{
    struct settings *c = config();
    return c && !by_agent(c) && (u32)FIELD(task, tgid) != c->guard && !(FIELD(task, flags) & (PF_KTHREAD | PF_IO_WORKER));
}

// Noted before the signal and after it, and told last. Whoever decides about the flow drops the note and sends SIGCONT, and
// looks again when told. If he looks before the first note, or his SIGCONT comes before the signal, which it cannot end, he
// finds the second when told. Else it comes after the signal and ends it; a note made after that costs one SIGCONT more,
// which changes nothing. There is room for the second unless the first was dropped, so that nothing is held any more.
static __always_inline void stop(void *ctx, struct flow *f, u64 cookie, s32 fd, u64 inode)
{
    struct task_struct *task = this_task();
    struct stop key = { .cookie = cookie, .pid = FIELD(task, tgid) };
    u64 now = bpf_ktime_get_ns();
    if (!can_be_stopped(task) || bpf_map_update_elem(MAP(stopped), &key, &now, BPF_ANY))
        return;
    if (bpf_send_signal(SIGSTOP)) {
        bpf_map_delete_elem(MAP(stopped), &key);
        return;
    }
    if (bpf_map_update_elem(MAP(stopped), &key, &now, BPF_ANY)) {
        bpf_send_signal(SIGCONT);
        return;
    }
    if (!f->held)
        f->held = now;
    owned(ctx, cookie, fd, inode, 1);
}

static __always_inline int connects(struct pt_regs *regs)
{
    u32 tid = bpf_get_current_pid_tgid();
    u64 sk = PT_REGS_PARM1(regs);
    bpf_map_update_elem(MAP(connecting), &tid, &sk, BPF_ANY);
    return 0;
}

static __always_inline int has_begun(struct pt_regs *regs)
{
    u32 tid = bpf_get_current_pid_tgid();
    if ((int)PT_REGS_RC(regs))
        bpf_map_delete_elem(MAP(connecting), &tid);
    return 0;
}

SEC("kprobe/tcp_v4_connect")
int connects_4(struct pt_regs *regs)
{
    return connects(regs);
}

SEC("kretprobe/tcp_v4_connect")
int has_begun_4(struct pt_regs *regs)
{
    return has_begun(regs);
}

SEC("kprobe/tcp_v6_connect")
int connects_6(struct pt_regs *regs)
{
    return connects(regs);
}

SEC("kretprobe/tcp_v6_connect")
int has_begun_6(struct pt_regs *regs)
{
    return has_begun(regs);
}

// The last that connect() does with its socket. Not at its return: for those who sleep in a function the kernel keeps
// places, of which there are few, and the returns of all others would be missed.
SEC("kprobe/release_sock")
int stop_connector(struct pt_regs *regs)
{
    u32 tid = bpf_get_current_pid_tgid();
    struct sock *sk = (void *)PT_REGS_PARM1(regs);
    u64 *own = bpf_map_lookup_elem(MAP(connecting), &tid), cookie;
    if (!own || *own != (u64)sk || !is_established(sk))
        return 0;
    bpf_map_delete_elem(MAP(connecting), &tid);
    struct flow *f = flow_of(sk, &cookie);
    if (f && is_held(f))
        stop(regs, f, cookie, f->owner.fd, f->owner.inode);
    return 0;
}

// One that did not wait for its connection is told by poll() that it is there.
SEC("kprobe/tcp_poll")
int stop_poller(struct pt_regs *regs)
{
    struct socket *sock = (void *)PT_REGS_PARM2(regs);
    struct sock *sk = BPF_CORE_READ(sock, sk);
    u64 cookie;
    struct flow *f = flow_of(sk, &cookie);
    if (f && is_held(f) && is_established(sk))
        stop(regs, f, cookie, -1, BPF_CORE_READ(sock, file, f_inode, i_ino));
    return 0;
}

// A process gets a descriptor: by accept(), or from another process. Told when it has it.
SEC("kprobe/fd_install")
int installs(struct pt_regs *regs)
{
    struct file *file = (void *)PT_REGS_PARM2(regs);
    if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
        return 0;
    struct socket *sock = BPF_CORE_READ(file, private_data);
    struct sock *sk = BPF_CORE_READ(sock, sk);
    u32 tid = bpf_get_current_pid_tgid();
    u64 cookie;
    if (!sk || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
        return 0;
    struct flow *f = flow_of(sk, &cookie);
    struct settings *c = config();
    if (!f || !c || !is_held(f) || !can_be_stopped(this_task()))
        return 0;
    begin_install(f, c);
    struct installing i = { .cookie = cookie, .inode = BPF_CORE_READ(file, f_inode, i_ino), .fd = PT_REGS_PARM1(regs) };
    bpf_map_update_elem(MAP(installing), &tid, &i, BPF_ANY);
    return 0;
}

SEC("kretprobe/fd_install")
int installed(struct pt_regs *regs)
{
    u32 tid = bpf_get_current_pid_tgid();
    struct installing *i = bpf_map_lookup_elem(MAP(installing), &tid);
    struct flow *f = i ? bpf_map_lookup_elem(MAP(flows), &i->cookie) : 0;
    if (!i)
        return 0;
    if (f && is_held(f))
        stop(regs, f, i->cookie, i->fd, i->inode);
    bpf_map_delete_elem(MAP(installing), &tid);
    return 0;
}

// TCP's own function, of a socket that is held, or is KTLS by now and was not when the call looked for its function: what
// it sends would be in clear between records, what it reads would be one.
static __always_inline int spoil(void *ctx, struct sock *sk)
{
    u64 cookie;
    struct flow *f = flow_of(sk, &cookie);
    if (!f || f->mode <= OBSERVE)
        return 0;
    for (int i = NEW; i <= OPEN; i++) {
        u32 state = *(volatile u32 *)&f->state, to = f->mode == PREFER && state == NEW ? CLEAR : REFUSED;
        if (state > OPEN)
            return 0;
        if (!move_state(f, state, to))
            continue;
        if (to == CLEAR)
            f->opened = bpf_ktime_get_ns();
        decide(ctx, f, cookie, to, NOT_HELD);
        return 0;
    }
    return 0;
}

SEC("kprobe/tcp_sendmsg")
int spoil_send(struct pt_regs *regs)
{
    return spoil(regs, (void *)PT_REGS_PARM1(regs));
}

SEC("kprobe/tcp_sendpage")
int spoil_page(struct pt_regs *regs)
{
    return spoil(regs, (void *)PT_REGS_PARM1(regs));
}

SEC("kprobe/tcp_recvmsg")
int spoil_receive(struct pt_regs *regs)
{
    return spoil(regs, (void *)PT_REGS_PARM1(regs));
}

SEC("kprobe/tcp_splice_read")
int spoil_splice(struct pt_regs *regs)
{
    struct socket *sock = (void *)PT_REGS_PARM1(regs);
    return spoil(regs, BPF_CORE_READ(sock, sk));
}
