// SPDX-License-Identifier: GPL-2.0-only
// For the backend 'libbpf': the few kernel types that the programs touch, with the few members they read; CO-RE finds the
// real offsets when the object is loaded. Our own declarations, because a generated vmlinux.h is 100,000 lines of which these are 60.
#pragma once
#include <asm/ptrace.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;
typedef _Bool bool;
enum { false, true };

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define O_NONBLOCK 04000
#define MSG_DONTWAIT 0x40
#define MSG_FASTOPEN 0x20000000
#define SOL_SOCKET 1
#define SOL_TCP 6
#define SOL_TLS 282
#define SO_ZEROCOPY 60
#define TCP_SYNCNT 7
#define TCP_REPAIR 19
#define TCP_FASTOPEN_CONNECT 30
#define TCP_ULP 31
#define TCP_ZEROCOPY_RECEIVE 35
#define MAY_WRITE 2
#define SIGCONT 18
#define SIGSTOP 19
#define PF_IO_WORKER 0x00000010
#define PF_KTHREAD 0x00200000
#define SIOCINQ 0x541B
#define EPERM 1
#define EINTR 4
#define EAGAIN 11
#define EEXIST 17
#define EOPNOTSUPP 95
#define ECONNRESET 104
#define ERESTARTSYS 512

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct kernfs_node { u64 id; };
struct cgroup { int level; struct kernfs_node *kn; struct cgroup *ancestors[0]; };
struct cgroup___ids { u64 ancestor_ids[0]; }; // before 6.1
struct sock_cgroup_data { struct cgroup *cgroup; };
struct sk_buff_head { struct sk_buff *next; u32 qlen; };
struct page { unsigned long flags; };
struct bio_vec { struct page *bv_page; u32 bv_len, bv_offset; };
struct skb_shared_info { u8 nr_frags; struct bio_vec frags[17]; };
struct sk_buff { struct sk_buff *next; u32 len, data_len, end; unsigned char *head, *data; char cb[48]; };
struct tcp_skb_cb { u32 seq, end_seq; };
struct proto { void *recvmsg; };
struct proto_ops { void *splice_read; };
typedef struct { s64 counter; } atomic64_t;
struct sock_common { unsigned short skc_family; unsigned long skc_flags; volatile unsigned char skc_state; struct proto *skc_prot; atomic64_t skc_cookie; };
struct sock { struct sock_common __sk_common; u16 sk_protocol; long sk_rcvtimeo, sk_sndtimeo; struct socket *sk_socket; struct sock_cgroup_data sk_cgrp_data; struct sk_buff_head sk_receive_queue; };
struct tcp_ulp_ops { char name[16]; };
struct inet_connection_sock { u32 icsk_rto; const struct tcp_ulp_ops *icsk_ulp_ops; void *icsk_ulp_data; };
struct tcp_sock {
    struct inet_connection_sock inet_conn;
    u8 bpf_sock_ops_cb_flags;
    bool is_mptcp;
    u8 repair : 1;
    u32 rcv_nxt, copied_seq, write_seq;
    u64 bytes_received, bytes_acked;
};
struct inode { unsigned short i_mode; unsigned long i_ino; };
struct file { unsigned int f_flags; struct inode *f_inode; void *private_data; };
struct socket { struct file *file; struct sock *sk; const struct proto_ops *ops; };
struct iovec { void *iov_base; __kernel_size_t iov_len; };
struct iov_iter { u8 iter_type; __kernel_size_t iov_offset, count; union { const struct iovec *iov; void *ubuf; }; };
struct iov_iter___named { const struct iovec *__iov; }; // since 6.4
struct msghdr { void *msg_name; int msg_namelen; struct iov_iter msg_iter; unsigned int msg_flags; };
struct pt_regs___x86 { unsigned long bx, dx, si, di, orig_ax; };
struct task_struct { unsigned int flags; int tgid; u64 start_time; struct task_struct *group_leader; char comm[16]; };
struct bpf_iter__tcp { struct sock_common *sk_common; };
struct strp_msg { int full_len; int offset; };
struct _strp_msg { struct strp_msg strp; };
struct sk_skb_cb { struct _strp_msg strp; };
struct tls_strparser { u32 mark : 8, stopped : 1, copy_mode : 1; bool msg_ready; struct strp_msg stm; struct sk_buff *anchor; };
struct tls_sw_context_rx { struct sk_buff_head rx_list; struct tls_strparser strp; };
struct tls_prot_info { u16 cipher_type, overhead_size; };
struct cipher_context { char *rec_seq; };
struct cipher_context___within { char rec_seq[8]; }; // since 6.7
struct tls_context { struct tls_prot_info prot_info; u8 tx_conf : 3, rx_conf : 3; void *priv_ctx_rx; struct cipher_context tx, rx; struct proto *sk_proto; };
#pragma clang attribute pop

#include "typed.bpf.h"

#define EXACT true
#define MAPS SEC(".maps")
#define MAP(name) (&name)
#define CALLBACK(name) name
#define SYMBOL(name) extern const void name __ksym
#define OPTIONAL_SYMBOL(name) extern const void name __ksym __weak
#define ADDRESS(name) (&name)

enum sock_flags { SOCK_DONE = 1 };
enum iter_type { ITER_IOVEC, ITER_UBUF = 6 }; // CO-RE finds the values, too

// The cgroup above this one, at that level.
static __always_inline u64 cgroup_at(struct cgroup *cgroup, u32 level)
{
    struct cgroup *up = 0;
    u64 id = 0;
    if (!bpf_core_field_exists(cgroup->ancestors)) {
        bpf_probe_read_kernel(&id, sizeof(id), (void *)cgroup + bpf_core_field_offset(struct cgroup___ids, ancestor_ids) + level * sizeof(id));
        return id;
    }
    bpf_probe_read_kernel(&up, sizeof(up), (void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors) + level * sizeof(up));
    return BPF_CORE_READ(up, kn, id);
}

static __always_inline const struct iovec *vector_of(struct iov_iter *iter)
{
    if (bpf_core_field_exists(struct iov_iter___named, __iov))
        return BPF_CORE_READ((struct iov_iter___named *)iter, __iov);
    return BPF_CORE_READ(iter, iov);
}

static __always_inline bool is_user_buffer(u8 type)
{
    return bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) && type == bpf_core_enum_value(enum iter_type, ITER_UBUF);
}

// The number of a direction's next record, in network byte order.
static __always_inline u64 next_record(struct cipher_context *c)
{
    struct cipher_context___within *within = (void *)c;
    u64 number = 0;
    if (bpf_core_field_exists(c->rec_seq))
        bpf_probe_read_kernel(&number, sizeof(number), BPF_CORE_READ(c, rec_seq));
    else if (bpf_core_field_exists(within->rec_seq))
        bpf_probe_read_kernel(&number, sizeof(number), (void *)c + bpf_core_field_offset(struct cipher_context___within, rec_seq));
    return number;
}

static __always_inline bool has_mptcp(struct tcp_sock *tp)
{
    return bpf_core_field_exists(tp->is_mptcp) && FIELD(tp, is_mptcp);
}

char _license[] SEC("license") = "GPL";
