// SPDX-License-Identifier: GPL-2.0-only
// What the kernel says of its types (BTF) lets programs read through its pointers, at no more cost than the kernel itself.
#pragma once

#define FIELD(from, name) ((from)->name)
#define registers_of(task) bpf_task_pt_regs(task)

static __always_inline struct task_struct *this_task(void)
{
    return (void *)bpf_get_current_task_btf();
}

static __always_inline struct tcp_sock *tcp_of(struct bpf_sock *sk)
{
    return bpf_skc_to_tcp_sock(sk);
}
