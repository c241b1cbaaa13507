// SPDX-License-Identifier: GPL-2.0-only
// Which process and descriptor own a socket: for a client known when its SYN is made, within connect(), so that even a
// connection that completes later can name them; for a server when accept() returns.
#pragma once
#include "flow.bpf.h"

struct grafted { u64 cookie, inode; };
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, u32); __type(value, struct grafted); } accepting MAPS;

static __always_inline struct owner caller(s32 fd, u64 inode)
{
    struct owner o = { .pid = bpf_get_current_pid_tgid() >> 32, .fd = fd, .inode = inode };
    bpf_get_current_comm(o.comm, sizeof(o.comm));
    return o;
}

static __always_inline void owned(void *ctx, u64 cookie, s32 fd, u64 inode, u64 held)
{
    struct owned e = { .head = header(OWNED, cookie), .owner = caller(fd, inode), .held = held };
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (f)
        f->owner = e.owner;
    emit(ctx, &e, sizeof(e));
}

// The descriptor that the system call connect() was given; that of the 32-bit one has the other number and register.
// io_uring and a 32-bit socketcall() tell none: the agent looks for it.
static __always_inline s32 connects_by(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
    struct pt_regs___x86 *regs = (void *)registers_of(task);
    u64 number = BPF_CORE_READ(regs, orig_ax);
    if (number == 42 || number == 362)
        return number == 42 ? BPF_CORE_READ(regs, di) : BPF_CORE_READ(regs, bx);
#endif
    return -1;
}

// Of the thread that connects, while it does: its SYN is made in its own call, so no other hook need remember it.
static __always_inline struct owner connector(void)
{
    struct task_struct *task = this_task();
    struct owner o = { .pid = FIELD(task, tgid), .fd = -1 };
    BPF_CORE_READ_INTO(&o.comm, task, comm);
    return o;
}

// Which of its descriptors it is, and the inode by which the agent recognizes the socket among others'.
static __always_inline void note_descriptor(struct bpf_sock *sk, struct owner *owner)
{
    struct task_struct *task = this_task();
    struct tcp_sock *tp = sk ? tcp_of(sk) : 0;
    if (!(FIELD(task, flags) & (PF_KTHREAD | PF_IO_WORKER)))
        owner->fd = connects_by(task);
    if (tp)
        owner->inode = BPF_CORE_READ((struct sock *)tp, sk_socket, file, f_inode, i_ino);
}

// A socket that another process sent over a Unix socket. The kernel asks before it gives it a number, which the receiver
// has when the next one is asked about, or all are there. Whoever takes descriptors otherwise is found by its first call.
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 4096); __type(key, u32); __type(value, struct grafted); } receiving MAPS;

static __always_inline void received(void *ctx, u32 tid)
{
    struct grafted *r = bpf_map_lookup_elem(MAP(receiving), &tid);
    if (!r)
        return;
    owned(ctx, r->cookie, -1, r->inode, 0);
    bpf_map_delete_elem(MAP(receiving), &tid);
}

SEC("fentry/security_file_receive")
int BPF_PROG(receive_one, struct file *file)
{
    if ((file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
        return 0;
    struct settings *c = config();
    struct socket *sock = bpf_sock_from_file(file);
    struct sock *sk = sock ? sock->sk : 0;
    struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;
    u32 tid = bpf_get_current_pid_tgid();
    if (!tp || !marked(tp) || !c || by_agent(c))
        return 0;
    struct grafted r = { .cookie = bpf_get_socket_cookie(sk), .inode = file->f_inode->i_ino };
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &r.cookie);
    if (!f || f->state >= OPEN)
        return 0;
    received(ctx, tid);
    bpf_map_update_elem(MAP(receiving), &tid, &r, BPF_ANY);
    return 0;
}

SEC("fexit/scm_detach_fds")
int BPF_PROG(receive_all)
{
    received(ctx, bpf_get_current_pid_tgid());
    return 0;
}

// Whoever has the descriptor may be kept from it for so long: a held call's time starts no earlier than here, and so does
// the time for the install.
static __always_inline void begin_install(struct flow *f, const struct settings *c)
{
    u64 soonest = bpf_ktime_get_ns() + c->gate_ns;
    if (f->deadline < soonest || f->state == ARMED)
        f->deadline = soonest;
}

// accept() grafts the new socket before it returns the descriptor; the hook's arguments have not changed for years, while
// inet_csk_accept's have.
SEC("fentry/security_sock_graft")
int BPF_PROG(grafted, struct sock *sk, struct socket *parent)
{
    struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
    if (!tp || !marked(tp))
        return 0;
    u64 cookie = bpf_get_socket_cookie(sk);
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    struct settings *c = config();
    if (!f || !c)
        return 0;
    begin_install(f, c);
    u32 tid = bpf_get_current_pid_tgid();
    struct grafted a = { .cookie = cookie, .inode = BPF_CORE_READ(parent, file, f_inode, i_ino) };
    bpf_map_update_elem(MAP(accepting), &tid, &a, BPF_ANY);
    return 0;
}

// At the system call's own function: a tracepoint of one system call makes every call of every thread take the slow way
// in and out, which costs more than all that the gate does to connections which are none of ours. accept() is accept4()
// without flags.
SEC("fexit/__sys_accept4")
int BPF_PROG(accept_exit, int listener, void *address, void *size, int flags, int fd)
{
    u32 tid = bpf_get_current_pid_tgid();
    struct grafted *a = bpf_map_lookup_elem(MAP(accepting), &tid);
    if (!a)
        return 0;
    if (fd >= 0)
        owned(ctx, a->cookie, fd, a->inode, 0);
    bpf_map_delete_elem(MAP(accepting), &tid);
    return 0;
}
