// SPDX-License-Identifier: GPL-2.0-only
// A connection ends: what it carried is counted, and its flow forgotten.
#pragma once
#include "begin.bpf.h"

// Whether our FIN is among what was sent: it is the last of all that was to be.
static __always_inline bool fin_sent(struct tcp_sock *tp, u32 sent, u32 before)
{
    bool ending = before == SK_FIN_WAIT1 || before == SK_FIN_WAIT2 || before == SK_CLOSING || before == SK_LAST_ACK;
    return ending && sent == FIELD(tp, write_seq);
}

// Of what TCP counts, a SYN of ours and both FINs are one each; and what was sent before a reset came is not acknowledged.
static __always_inline void count_payload(struct bpf_sock_ops *s, const struct flow *f, u32 before, struct closed *e)
{
    struct tcp_sock *tp = socket_in(s);
    if (!tp || !f->established)
        return;
    u32 sent = s->snd_nxt, under_way = sent - s->snd_una;
    bool ended = BPF_CORE_READ((struct sock *)tp, __sk_common.skc_flags) >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1;
    e->sent = s->bytes_acked + under_way - (f->side == CLIENT) - fin_sent(tp, sent, before);
    e->received = s->bytes_received - ended;
}

// What a program may still read from a closed socket passes where it would have passed before: the mark goes with the
// entry of one in clear; one that is KTLS passes by what is installed, and its keys stay guarded; the queue of one that
// was held may hold the peer's ciphertext, and stays closed.
static __always_inline void closed(struct bpf_sock_ops *s, u64 cookie, u32 before)
{
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!f)
        return;
    struct closed e = { .head = header(CLOSED, cookie), .state = f->state, .restarts = f->restarts, .held = f->held, .opened = f->opened, .used = f->used, .records_sent = f->records_sent, .records_received = f->records_received };
    count_payload(s, f, before, &e);
    if (before == SK_SYN_SENT)
        restore_retries(s, f);
    if (f->state == CLEAR || before == SK_SYN_SENT)
        none_of_ours(s);
    u64 *latest = bpf_map_lookup_elem(MAP(accepted), &f->tuple);
    if (latest && *latest == cookie)
        bpf_map_delete_elem(MAP(accepted), &f->tuple);
    bpf_map_delete_elem(MAP(flows), &cookie);
    emit(s, &e, sizeof(e));
}

// A held socket whose last owner closed it: shutdown() waits, so nothing else leads there. Told as an owner that is none.
static __always_inline void abandoned(void *ctx, u64 cookie)
{
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!f || f->mode <= OBSERVE || f->state >= OPEN)
        return;
    struct owned e = { .head = header(OWNED, cookie), .owner = { .fd = -1 } };
    f->owner = (struct owner){}; // where none was known yet the descriptor is -1
    emit(ctx, &e, sizeof(e));
}
