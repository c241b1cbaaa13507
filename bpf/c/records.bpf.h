// SPDX-License-Identifier: GPL-2.0-only
// How much plaintext waits in TCP's queue: record by record, by the lengths in their headers. Most of a queue lies in pages,
// whose addresses are computed as the kernel itself does; where that is not known, the caller has to estimate.
#pragma once
#include "flow.bpf.h"

#define RECORD_HEADER 5 // type, version, length (RFC 8446, section 5.1)
#define APPLICATION_DATA 23
#define MAX_RECORD (16384 + 256)
#define MAX_FRAGS 18
#define MAX_STEPS 8192
#define PAGE_BITS 12

OPTIONAL_SYMBOL(page_offset_base); // x86-64
OPTIONAL_SYMBOL(vmemmap_base);

struct walk {
    struct sk_buff *skb, *head;
    u64 memory, pages; // bases of the direct map and of its struct pages
    u32 record, end, overhead; // sequence numbers: where the record begins, where the queue ends
    u32 length, known; // bytes of the header that were read: type, and the two of the length
    int plain, lost; // `lost` where a header could not be found
};

static __always_inline const void *in_frags(struct walk *w, struct sk_buff *skb, u32 at)
{
    struct skb_shared_info *info = (void *)BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, end);
    u32 count = BPF_CORE_READ(info, nr_frags);
    for (u32 i = 0; i < MAX_FRAGS && i < count; i++) {
        struct bio_vec *frag = (void *)info + bpf_core_field_offset(struct skb_shared_info, frags) + i * bpf_core_type_size(struct bio_vec);
        u32 size = BPF_CORE_READ(frag, bv_len);
        if (at < size) {
            u64 number = ((u64)BPF_CORE_READ(frag, bv_page) - w->pages) / bpf_core_type_size(struct page);
            return (void *)w->memory + (number << PAGE_BITS) + BPF_CORE_READ(frag, bv_offset) + at;
        }
        at -= size;
    }
    return 0;
}

static __always_inline const void *address_of(struct walk *w, struct sk_buff *skb, u32 at)
{
    u32 linear = BPF_CORE_READ(skb, len) - BPF_CORE_READ(skb, data_len);
    return at < linear ? (void *)BPF_CORE_READ(skb, data) + at : in_frags(w, skb, at - linear);
}

static __always_inline long take_byte(struct walk *w, u8 byte)
{
    if (w->known++ == 0)
        return byte != APPLICATION_DATA;
    w->length = w->length << 8 | byte;
    if (w->known < 3)
        return 0;
    u32 size = RECORD_HEADER + w->length;
    if (size < w->overhead || size > MAX_RECORD + RECORD_HEADER || (s32)(w->record + size - w->end) > 0)
        return 1;
    w->plain += size - w->overhead;
    w->record += size;
    w->known = w->length = 0;
    return 0;
}

// One byte of a header, or one buffer further; 1 ends the walk.
static long walk_on(u32 step, void *context)
{
    struct walk *w = context;
    struct sk_buff *skb = w->skb;
    struct tcp_skb_cb *cb = (void *)skb + bpf_core_field_offset(struct sk_buff, cb);
    u32 at = w->record + (w->known ? 2 + w->known : 0);
    u8 byte = 0;
    if (!skb || skb == w->head || (s32)(at - w->end) >= 0)
        return 1;
    if ((s32)(at - BPF_CORE_READ(cb, end_seq)) >= 0) {
        w->skb = BPF_CORE_READ(skb, next);
        return 0;
    }
    const void *address = address_of(w, skb, at - BPF_CORE_READ(cb, seq));
    if (!address || bpf_probe_read_kernel(&byte, sizeof(byte), address)) {
        w->lost = 1;
        return 1;
    }
    return take_byte(w, byte);
}

// Plaintext of the records that are whole, in `queued` bytes of the queue but the first `skip`; -1 where it cannot be told.
static __always_inline int whole_records(struct tcp_sock *tp, int skip, int queued, int overhead)
{
    struct sk_buff_head *queue = (void *)tp + bpf_core_field_offset(struct sock, sk_receive_queue);
    struct walk w = { .record = tp->copied_seq + skip, .end = tp->copied_seq + queued, .overhead = overhead };
    struct settings *c = config();
    if (!EXACT || !c || !ADDRESS(page_offset_base) || !ADDRESS(vmemmap_base))
        return -1;
    // Zero, but the verifier must not know: before 6.7 it takes the body of a loop for one that runs once, with the values
    // from before it, and drops the branches that those exclude.
    w.known = w.length = w.plain = w.lost = c->pad;
    bpf_probe_read_kernel(&w.memory, sizeof(w.memory), ADDRESS(page_offset_base));
    bpf_probe_read_kernel(&w.pages, sizeof(w.pages), ADDRESS(vmemmap_base));
    w.head = (void *)queue;
    w.skb = BPF_CORE_READ(queue, next);
    bpf_loop(MAX_STEPS, CALLBACK(walk_on), &w, 0);
    return w.lost ? -1 : w.plain;
}
