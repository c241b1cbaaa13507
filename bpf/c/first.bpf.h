// SPDX-License-Identifier: GPL-2.0-only
// What an application wants to send first, under a rule with passthrough: a TLS ClientHello is its own business, anything
// else is captured. Seen in the caller's memory, at the first call that is held; and proven once more on the way out.
#pragma once
#include "flow.bpf.h"

#define HELLO_SIZE 6

struct words { const void *at; u64 size; }; // of the caller's memory; nothing, where it cannot be seen

// Record of type handshake, any version 3.x, at most 2^14 bytes (RFC 8446, section 5.1); in it a ClientHello (section 4).
static __always_inline bool is_hello(const u8 *b)
{
    return b[0] == 22 && b[1] == 3 && b[2] <= 4 && b[3] <= 0x40 && b[5] == 1;
}

// What a server's TLS says first: its handshake, or an alert.
static __always_inline bool is_answer(const u8 *b)
{
    return (b[0] == 22 || b[0] == 21) && b[1] == 3 && b[2] <= 4 && b[3] <= 0x40;
}

static __always_inline struct words first_of(const struct iovec *vector)
{
    return (struct words){ .at = BPF_CORE_READ(vector, iov_base), .size = BPF_CORE_READ(vector, iov_len) };
}

static __always_inline struct words of_message(struct msghdr *msg)
{
    struct iov_iter *iter = (void *)msg + bpf_core_field_offset(struct msghdr, msg_iter);
    struct words w = {};
    u8 type = BPF_CORE_READ(iter, iter_type);
    if (BPF_CORE_READ(iter, iov_offset))
        return w;
    if (is_user_buffer(type)) {
        w.at = BPF_CORE_READ(iter, ubuf);
        w.size = BPF_CORE_READ(iter, count);
    } else if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
        return first_of(vector_of(iter));
    }
    return w;
}

// write() is judged by its file before anybody sees a message: its arguments are in the registers that the call came with.
// Not those of splice and sendfile, whose bytes are nowhere to be seen yet.
static __always_inline struct words of_call(void)
{
    struct words w = {};
#if defined(__TARGET_ARCH_x86)
    struct task_struct *task = this_task();
    if (FIELD(task, flags) & (PF_KTHREAD | PF_IO_WORKER))
        return w;
    struct pt_regs___x86 *regs = (void *)registers_of(task);
    u64 number = BPF_CORE_READ(regs, orig_ax), argument = BPF_CORE_READ(regs, si);
    if (number == 1) { // write
        w.at = (void *)argument;
        w.size = BPF_CORE_READ(regs, dx);
    } else if (number == 20 && BPF_CORE_READ(regs, dx)) { // writev: the vector is the caller's, too
        struct { u64 base, size; } vector = {};
        if (!bpf_probe_read_user(&vector, sizeof(vector), (void *)argument))
            w.at = (void *)vector.base, w.size = vector.size;
    }
#endif
    return w;
}

static __always_inline bool says_hello(struct words w)
{
    u8 b[HELLO_SIZE] = {};
    return w.size >= HELLO_SIZE && !bpf_probe_read_user(b, sizeof(b), w.at) && is_hello(b);
}

// Judged once, by the first call that tells: a blocking receive does (this program does not speak first), a look of one
// that never waits does not.
static __always_inline void note_first(void *ctx, struct flow *f, u64 cookie, enum call call, struct msghdr *msg, bool blocks)
{
    if (!f->passthrough || f->first || f->side != CLIENT || f->state != NEW || (call != SENDS && !blocks))
        return;
    struct words w = {};
    if (call == SENDS)
        w = msg ? of_message(msg) : of_call();
    struct spoke e = { .head = header(SPOKE, cookie), .tls = says_hello(w) };
    u64 first = (u64)(e.tls ? TLS_FIRST : OTHER_FIRST) << 32; // in the upper half of the eight bytes it is in
    if (__sync_fetch_and_or((u64 *)&f->reporter, first) >> 32 == 0)
        emit(ctx, &e, sizeof(e));
}
