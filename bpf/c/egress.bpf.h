// SPDX-License-Identifier: GPL-2.0-only
// The last wall: whatever went wrong above, no payload of a held flow leaves, and no SYN whose keys are outstanding.
// On the way in, a FIN waits (TCP repeats it): a socket that has seen one can take no TLS any more.
#pragma once
#include "first.bpf.h"

#define FIN_PATIENCE_NS 30000000000ULL

struct segment { u32 at, payload; u8 fin, tcp; };

static __always_inline struct segment segment_of(struct __sk_buff *skb)
{
    struct segment s = {};
    u8 ip[40], tcp[14];
    u32 at, protocol;
    if (bpf_skb_load_bytes(skb, 0, ip, 20))
        return s;
    if (ip[0] >> 4 == 6) {
        at = 40;
        protocol = ip[6]; // behind extension headers it is not TCP to us, and then nothing of a held flow passes
    } else {
        at = (ip[0] & 15) * 4;
        protocol = ip[9];
    }
    if (protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, at, tcp, sizeof(tcp)))
        return s;
    s.tcp = 1;
    s.fin = tcp[13] & 1;
    s.at = at + (tcp[12] >> 4) * 4;
    s.payload = skb->len - s.at;
    return s;
}

static __always_inline struct tcp_sock *socket_of(struct __sk_buff *skb)
{
    struct bpf_sock *sk = skb->sk;
    struct tcp_sock *tp = sk ? tcp_of(sk) : 0;
    return tp && marked(tp) ? tp : 0;
}

// What was left alone because it is TLS shows that it is, with the first bytes that leave this host: neither what the
// application did since, nor what the peer said, makes anything else go in clear under 'require'.
static __always_inline bool proves(struct __sk_buff *skb, struct flow *f, u64 cookie)
{
    struct segment s = segment_of(skb);
    u8 b[HELLO_SIZE] = {};
    if (s.tcp && !s.payload)
        return true;
    if (s.tcp && s.payload >= HELLO_SIZE && !bpf_skb_load_bytes(skb, s.at, b, sizeof(b)) && (f->side == CLIENT ? is_hello(b) : is_answer(b))) {
        f->proven = 1;
        return true;
    }
    if (move_state(f, CLEAR, REFUSED))
        decide(skb, f, cookie, REFUSED, NOT_TLS);
    return false;
}

// Where calls are not kept back, what is queued on a KTLS socket need not be records: the state tells.
static __always_inline bool only_stops(void)
{
    struct settings *c = config();
    return c && c->stops;
}

SEC("cgroup_skb/egress")
int wall(struct __sk_buff *skb)
{
    struct tcp_sock *tp = socket_of(skb);
    if (!tp)
        return 1;
    u64 cookie = bpf_get_socket_cookie(skb);
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (f && f->state == CLEAR)
        return !f->passthrough || f->proven || f->mode != REQUIRE || proves(skb, f, cookie);
    if (f && f->state == OPEN)
        return 1;
    u8 state = BPF_CORE_READ((struct sock *)tp, __sk_common.skc_state);
    if (f && state == SK_SYN_SENT && (f->state == REFUSED || (f->syn_held && f->state < ARMED)))
        return 0;
    struct segment s = segment_of(skb);
    return s.tcp && (!s.payload || (tx_installed(tp) && !(f && only_stops())));
}

SEC("cgroup_skb/ingress")
int hold_fin(struct __sk_buff *skb)
{
    struct tcp_sock *tp = socket_of(skb);
    if (!tp)
        return 1;
    u64 cookie = bpf_get_socket_cookie(skb);
    struct flow *f = bpf_map_lookup_elem(MAP(flows), &cookie);
    if (!f || f->state >= OPEN || rx_installed(tp))
        return 1;
    // One that its program has closed takes no TLS any more: two of those would drop each other's FINs for minutes.
    if (BPF_CORE_READ((struct sock *)tp, __sk_common.skc_state) != SK_ESTABLISHED)
        return 1;
    if (!segment_of(skb).fin)
        return 1;
    u64 now = bpf_ktime_get_ns();
    if (!f->fin)
        f->fin = now;
    return now - f->fin > FIN_PATIENCE_NS; // an error, later, beats a peer that gave up and a reader that waits for ever
}
