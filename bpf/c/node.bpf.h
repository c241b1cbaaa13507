// SPDX-License-Identifier: GPL-2.0-only
// For the backend 'bcc': the headers of the kernel that runs, whose offsets are final when the programs are compiled. bcc
// gives its helpers before this file; what it would rewrite is in the few lines that the backend puts around all this.
#pragma once
#include <linux/cgroup-defs.h>
#include <linux/fs.h>
#include <linux/kernfs.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <linux/version.h>
#include <asm/ioctls.h>
#include <net/sock.h>
#include <net/strparser.h>
#include <net/tcp.h>
#include <net/tls.h>

// References that the loader resolves, by numbers that the backend defines: which one, in place of the register that says
// what kind a constant is. They are no numbers of the kernel's.
#define MAP(name) ((void *)bpf_pseudo_fd(9, MAP_##name))
#define CALLBACK(name) ((void *)bpf_pseudo_fd(10, CALLBACK_##name))
#define ADDRESS(name) ((void *)bpf_pseudo_fd(11, SYMBOL_##name))
#define SYMBOL(name) _Static_assert(SYMBOL_##name >= 0, "a symbol without a number")
#define OPTIONAL_SYMBOL(name) SYMBOL(name)
#define __uint(name, value) int (*name)[value]
#define __type(name, value) value *name
#define __array(name, value) value *name[]
#undef SEC
#define SEC(name) static __always_inline
#define MAPS
#undef BPF_PROG
#define BPF_PROG(name, args...) \
    name(unsigned long long *ctx); \
    static __always_inline int name##_with(unsigned long long *ctx, ##args); \
    int name(unsigned long long *ctx) { return name##_with(___bpf_ctx_cast(args)); } \
    static __always_inline int name##_with(unsigned long long *ctx, ##args)
#define barrier_var(x) asm volatile("" : "+r"(x))

#define bpf_be64_to_cpu(x) be64_to_cpu(x)
#define pt_regs___x86 pt_regs
#define EXACT false // what bcc makes of the walk over the records, the kernel's verifier refuses
#define bpf_core_field_offset(type, member) offsetof(type, member)
#define bpf_core_type_size(type) sizeof(type)
#define bpf_core_enum_value(type, name) (name)

#undef BPF_CORE_READ
#define READ_1(from, a) ({ typeof((from)->a) read_; bpf_probe_read_kernel(&read_, sizeof(read_), &(from)->a); read_; })
#define READ_2(from, a, b) ({ typeof((from)->a) at_ = READ_1(from, a); READ_1(at_, b); })
#define READ_3(from, a, b, c) ({ typeof((from)->a) by_ = READ_1(from, a); READ_2(by_, b, c); })
#define READ_4(from, a, b, c, d) ({ typeof((from)->a) over_ = READ_1(from, a); READ_3(over_, b, c, d); })
#define READ_OF(_1, _2, _3, _4, name, ...) name
#define BPF_CORE_READ(from, ...) READ_OF(__VA_ARGS__, READ_4, READ_3, READ_2, READ_1)(from, __VA_ARGS__)
#define BPF_CORE_READ_INTO(to, from, a) bpf_probe_read_kernel(to, sizeof(*(to)), &(from)->a)

#ifdef CONFIG_DEBUG_INFO_BTF
#include "typed.bpf.h"
#define bits_of_repair(tp) ((tp)->repair)
#else
#include "untyped.bpf.h"
#endif

struct bpf_iter__tcp { u64 meta; struct sock_common *sk_common; u32 uid; };

// A bit field has no address: its bytes are read with those around it, and it is taken from the copy.
#define BPF_CORE_READ_BITFIELD_PROBED(from, name) bits_of_##name(from)

static __always_inline u8 conf_of(struct tls_context *tls)
{
    u8 both = 0;
    bpf_probe_read_kernel(&both, sizeof(both), (void *)tls + offsetof(struct tls_context, prot_info) + sizeof(tls->prot_info));
    return both;
}

#define bits_of_tx_conf(tls) (conf_of(tls) & 7)
#define bits_of_rx_conf(tls) (conf_of(tls) >> 3 & 7)

static __always_inline bool bits_of_copy_mode(struct tls_strparser *from)
{
    struct tls_strparser copy;
    return !bpf_probe_read_kernel(&copy, sizeof(copy), from) && copy.copy_mode;
}

static __always_inline u64 cgroup_at(struct cgroup *cgroup, u32 level)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
    struct cgroup *up = 0;
    bpf_probe_read_kernel(&up, sizeof(up), &cgroup->ancestors[level]);
    return BPF_CORE_READ(up, kn, id);
#else
    u64 id = 0;
    bpf_probe_read_kernel(&id, sizeof(id), &cgroup->ancestor_ids[level]);
    return id;
#endif
}

static __always_inline const struct iovec *vector_of(struct iov_iter *iter)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
    return BPF_CORE_READ(iter, __iov);
#else
    return BPF_CORE_READ(iter, iov);
#endif
}

static __always_inline bool is_user_buffer(u8 type)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0)
    return type == ITER_UBUF;
#else
    return false;
#endif
}

static __always_inline u64 next_record(struct cipher_context *c)
{
    u64 number = 0;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
    bpf_probe_read_kernel(&number, sizeof(number), &c->rec_seq);
#else
    bpf_probe_read_kernel(&number, sizeof(number), BPF_CORE_READ(c, rec_seq));
#endif
    return number;
}

static __always_inline bool has_mptcp(struct tcp_sock *tp)
{
#ifdef CONFIG_MPTCP
    return FIELD(tp, is_mptcp);
#else
    return false;
#endif
}
