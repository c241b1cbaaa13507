// SPDX-License-Identifier: GPL-2.0-only
// FIONREAD on a KTLS socket counts ciphertext and misses what is decrypted and not yet read; programs such as nginx
// believe it. The answer is corrected in the caller's memory: what is decrypted, and the plaintext of what is queued.
#pragma once
#include "gate.bpf.h"
#include "records.bpf.h"

#define MAX_PLAINTEXT 16384 // RFC 8446, section 5.1
#define MAX_BUFFERS 64

// Plaintext in `bytes` of records, where each is as long as a record may be but the last; too much where some are shorter.
static __always_inline int plaintext(int bytes, int overhead)
{
    int records = (bytes + MAX_PLAINTEXT + overhead - 1) / (u32)(MAX_PLAINTEXT + overhead);
    int plain = bytes - records * overhead;
    return plain > 0 ? plain : 0;
}

static __always_inline int decrypted(struct tls_sw_context_rx *rx)
{
    struct sk_buff *head = (void *)rx + bpf_core_field_offset(struct tls_sw_context_rx, rx_list);
    struct sk_buff *skb = BPF_CORE_READ(rx, rx_list.next);
    int total = 0, left;
    for (int i = 0; i < MAX_BUFFERS && skb && skb != head; i++) {
        if (!bpf_probe_read_kernel(&left, sizeof(left), (void *)skb + bpf_core_field_offset(struct sk_buff, cb) + bpf_core_field_offset(struct sk_skb_cb, strp.strp.full_len)))
            total += left;
        skb = BPF_CORE_READ(skb, next);
    }
    return total;
}

// What was copied out of TCP's queue is the record at its head; the rest of it comes first in the queue.
static __always_inline int undecrypted(struct tcp_sock *tp, struct tls_sw_context_rx *rx, int queued, int overhead)
{
    struct tls_strparser *strp = (void *)rx + bpf_core_field_offset(struct tls_sw_context_rx, strp);
    int first = 0, rest = 0;
    if (BPF_CORE_READ_BITFIELD_PROBED(strp, copy_mode)) {
        first = BPF_CORE_READ(strp, stm.full_len);
        rest = first - (int)BPF_CORE_READ(strp, anchor, len);
        if (first < overhead || rest < 0 || rest > queued)
            return 0;
        first -= overhead;
    }
    int more = whole_records(tp, rest, queued, overhead);
    return first + (more < 0 ? plaintext(queued - rest, overhead) : more);
}

// As the kernel counted it. Not read from the answer: where one release of this program takes the place of another, both
// are attached for a moment, and what the first one wrote is no count of TCP's.
static __always_inline int in_queue(struct tcp_sock *tp)
{
    int queued = tp->rcv_nxt - tp->copied_seq;
    bool ended = BPF_CORE_READ((struct sock *)tp, __sk_common.skc_flags) >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1;
    return queued - (queued && ended); // a FIN takes a number, and is no byte
}

static __always_inline int correct(struct sock *sk, int cmd, void *arg)
{
    struct tcp_sock *tp = cmd == SIOCINQ ? bpf_skc_to_tcp_sock(sk) : 0;
    if (!tp || !marked(tp) || !ours(tp)) // another agent's
        return 0;
    int answer = 0;
    if (!rx_installed(tp)) { // held: what is queued may be the peer's ciphertext, and cannot be read
        u64 cookie = bpf_get_socket_cookie(sk);
        struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
        if (f && f->state < OPEN)
            bpf_probe_write_user(arg, &answer, sizeof(answer));
        return 0;
    }
    struct tls_context *tls = tls_of(tp);
    struct tls_sw_context_rx *rx = tls ? BPF_CORE_READ(tls, priv_ctx_rx) : 0;
    if (!rx)
        return 0;
    answer = decrypted(rx) + undecrypted(tp, rx, in_queue(tp), BPF_CORE_READ(tls, prot_info.overhead_size));
    bpf_probe_write_user(arg, &answer, sizeof(answer));
    return 0;
}

SEC("fexit/tcp_ioctl")
int BPF_PROG(inq, struct sock *sk, int cmd, unsigned long arg, int ret)
{
    return ret ? 0 : correct(sk, cmd, (void *)arg);
}
