// SPDX-License-Identifier: GPL-2.0-only
// How much each key has protected, of all open flows at once when the agent asks: the kernel counts records and bytes
// anyway, and a program at every send and receive would cost them all what concerns one in a million.
#pragma once
#include "flow.bpf.h"

#define BLOCK 16
#define CHACHA20_POLY1305 54 // of <linux/tls.h>: it has no limit that could be reached

struct wear { u64 blocks; }; // ciphered, and one more for each record: what the analyses of AES-GCM count

static __always_inline u64 records_of(struct cipher_context *c)
{
    return bpf_be64_to_cpu(next_record(c));
}

// Counted for the timeline as the program closes its socket: the kernel forgets it before TCP's own end, which is told.
SEC("fentry/inet_release")
int BPF_PROG(count_records, struct socket *sock)
{
    struct sock *sk = sock->sk;
    struct tcp_sock *tp = sk ? bpf_skc_to_tcp_sock(sk) : 0;
    if (!tp || !marked(tp) || !tx_installed(tp) || !rx_installed(tp))
        return 0;
    u64 cookie = bpf_get_socket_cookie(sk);
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    struct tls_context *tls = tls_of(tp);
    if (!f || !tls)
        return 0;
    f->records_sent = 1 + records_of((void *)tls + bpf_core_field_offset(struct tls_context, tx));
    f->records_received = 1 + records_of((void *)tls + bpf_core_field_offset(struct tls_context, rx));
    return 0;
}

static __always_inline void tell_worn(const struct wear *w, u64 cookie, u32 sent, u64 records, u64 bytes)
{
    if (bytes / BLOCK + records < w->blocks)
        return;
    struct worn e = { .head = header(WORN, cookie), .records = records, .bytes = bytes, .sent = sent };
    emit(0, &e, sizeof(e));
}

// Of a socket that was closed meanwhile the memory stays that of a TCP socket, and the cookie is another one, or none.
static long look(void *map, u64 *key, struct flow *f, struct wear *w)
{
    struct tcp_sock *tp = (void *)f->sock;
    u64 cookie = *key;
    if (f->state != OPEN || !tp || (u64)BPF_CORE_READ((struct sock *)tp, __sk_common.skc_cookie.counter) != cookie)
        return 0;
    struct tls_context *tls = BPF_CORE_READ(tp, inet_conn.icsk_ulp_data);
    if (!tls || BPF_CORE_READ(tls, prot_info.cipher_type) == CHACHA20_POLY1305)
        return 0;
    struct cipher_context *tx = (void *)tls + bpf_core_field_offset(struct tls_context, tx);
    struct cipher_context *rx = (void *)tls + bpf_core_field_offset(struct tls_context, rx);
    tell_worn(w, cookie, 1, records_of(tx), BPF_CORE_READ(tp, bytes_acked));
    tell_worn(w, cookie, 0, records_of(rx), BPF_CORE_READ(tp, bytes_received));
    return 0;
}

SEC("syscall")
int find_worn(struct wear *asked)
{
    struct wear w = *asked;
    bpf_for_each_map_elem(MAP(flows), CALLBACK(look), &w, 0);
    return 0;
}
