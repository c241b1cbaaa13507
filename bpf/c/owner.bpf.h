// SPDX-License-Identifier: GPL-2.0-only
// Which process and descriptor own a socket: for a client noted when connect() is entered, so that even a connection that
// completes later can name them; for a server when accept() returns.
#pragma once
#include "flow.bpf.h"

struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, u32); __type(value, s32); } connect_fd SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, u64); __type(value, struct owner); } connecting SEC(".maps");
struct grafted { u64 cookie, inode; };
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, u32); __type(value, struct grafted); } accepting SEC(".maps");

static __always_inline struct owner caller(s32 fd, u64 inode)
{
    struct owner o = { .pid = bpf_get_current_pid_tgid() >> 32, .fd = fd, .inode = inode };
    bpf_get_current_comm(o.comm, sizeof(o.comm));
    return o;
}

static __always_inline void owned(u64 cookie, s32 fd, u64 inode, u64 held)
{
    struct owned e = { .head = header(OWNED, cookie), .owner = caller(fd, inode), .held = held };
    emit(&e, sizeof(e));
}

// At the system call's own function: a tracepoint of one system call makes every call of every thread take the slow way
// in and out, which costs more than all that the gate does to connections which are none of ours.
SEC("fentry/__sys_connect")
int BPF_PROG(connect_enter, int number)
{
    u32 tid = bpf_get_current_pid_tgid();
    s32 fd = number;
    bpf_map_update_elem(&connect_fd, &tid, &fd, BPF_ANY);
    return 0;
}

SEC("fexit/__sys_connect")
int BPF_PROG(connect_exit)
{
    u32 tid = bpf_get_current_pid_tgid();
    bpf_map_delete_elem(&connect_fd, &tid); // io_uring connects without a descriptor: it must not find an older one
    return 0;
}

static __always_inline int connect_begins(struct sock *sk)
{
    u64 cookie = bpf_get_socket_cookie(sk);
    u32 tid = bpf_get_current_pid_tgid();
    s32 *fd = bpf_map_lookup_elem(&connect_fd, &tid);
    struct owner o = caller(fd ? *fd : -1, 0);
    bpf_map_update_elem(&connecting, &cookie, &o, BPF_ANY);
    return 0;
}

static __always_inline int connect_ends(struct sock *sk)
{
    u64 cookie = bpf_get_socket_cookie(sk);
    bpf_map_delete_elem(&connecting, &cookie);
    return 0;
}

SEC("fentry/tcp_v4_connect") int BPF_PROG(connect4_begins, struct sock *sk) { return connect_begins(sk); }
SEC("fexit/tcp_v4_connect") int BPF_PROG(connect4_ends, struct sock *sk) { return connect_ends(sk); }
SEC("fentry/tcp_v6_connect") int BPF_PROG(connect6_begins, struct sock *sk) { return connect_begins(sk); }
SEC("fexit/tcp_v6_connect") int BPF_PROG(connect6_ends, struct sock *sk) { return connect_ends(sk); }

// A socket that another process sent over a Unix socket. The kernel asks before it gives it a number, which the receiver
// has when the next one is asked about, or all are there. Whoever takes descriptors otherwise is found by its first call.
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 4096); __type(key, u32); __type(value, struct grafted); } receiving SEC(".maps");

static __always_inline void received(u32 tid)
{
    struct grafted *r = bpf_map_lookup_elem(&receiving, &tid);
    if (!r)
        return;
    owned(r->cookie, -1, r->inode, 0);
    bpf_map_delete_elem(&receiving, &tid);
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
    u64 id = bpf_get_current_pid_tgid();
    u32 tid = id;
    if (!tp || !marked(tp) || !c || id >> 32 == c->agent)
        return 0;
    struct grafted r = { .cookie = bpf_get_socket_cookie(sk), .inode = file->f_inode->i_ino };
    struct flow *f = bpf_map_lookup_elem(&flows, &r.cookie);
    if (!f || f->state >= OPEN)
        return 0;
    received(tid);
    bpf_map_update_elem(&receiving, &tid, &r, BPF_ANY);
    return 0;
}

SEC("fexit/scm_detach_fds")
int BPF_PROG(receive_all)
{
    received(bpf_get_current_pid_tgid());
    return 0;
}

// accept() grafts the new socket before it returns the descriptor; the hook's arguments have not changed for years, while
// inet_csk_accept's have. A held call's time starts no earlier than here, and so does the time for the install.
SEC("fentry/security_sock_graft")
int BPF_PROG(grafted, struct sock *sk, struct socket *parent)
{
    struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
    if (!tp || !marked(tp))
        return 0;
    u64 cookie = bpf_get_socket_cookie(sk), soonest;
    struct flow *f = bpf_map_lookup_elem(&flows, &cookie);
    struct settings *c = config();
    if (!f || !c)
        return 0;
    soonest = bpf_ktime_get_ns() + c->gate_ns;
    if (f->deadline < soonest || f->state == ARMED)
        f->deadline = soonest;
    u32 tid = bpf_get_current_pid_tgid();
    struct grafted a = { .cookie = cookie, .inode = BPF_CORE_READ(parent, file, f_inode, i_ino) };
    bpf_map_update_elem(&accepting, &tid, &a, BPF_ANY);
    return 0;
}

SEC("fexit/__sys_accept4") // accept() is accept4() without flags
int BPF_PROG(accept_exit, int listener, void *address, void *size, int flags, int fd)
{
    u32 tid = bpf_get_current_pid_tgid();
    struct grafted *a = bpf_map_lookup_elem(&accepting, &tid);
    if (!a)
        return 0;
    if (fd >= 0)
        owned(a->cookie, fd, a->inode, 0);
    bpf_map_delete_elem(&accepting, &tid);
    return 0;
}
