// SPDX-License-Identifier: GPL-2.0-only
// A kernel without BTF knows no types of its own: it takes no program that gets one of these pointers, or reads through it.
// A pointer is a mere number here, and what is there is copied. Slower, and all that the weaker hold needs.
#pragma once

#define FIELD(from, name) BPF_CORE_READ(from, name)
#ifdef __TARGET_ARCH_x86
#define registers_of(task) ((void *)BPF_CORE_READ(task, stack) + THREAD_SIZE - TOP_OF_KERNEL_STACK_PADDING - sizeof(struct pt_regs))
#endif

static __always_inline struct task_struct *this_task(void)
{
    return (void *)bpf_get_current_task();
}

// The verifier knows this pointer by another type, of which it shows little, and forbids to add to it. A copy of the place
// where it is kept is a number to it.
static __always_inline struct tcp_sock *tcp_of(struct bpf_sock *sk)
{
    struct bpf_tcp_sock *known = bpf_tcp_sock(sk);
    struct tcp_sock *tp = 0;
    bpf_probe_read_kernel(&tp, sizeof(tp), &known);
    return tp;
}

// Not asked of the bit itself, beside which different things are in each release. A socket in repair mode, and no other,
// takes its port by force, which is in the byte behind its state.
static __always_inline bool bits_of_repair(struct tcp_sock *tp)
{
    u8 reuse = 0;
    bpf_probe_read_kernel(&reuse, sizeof(reuse), (void *)tp + offsetof(struct sock_common, skc_state) + 1);
    return (reuse & 15) == SK_FORCE_REUSE;
}
