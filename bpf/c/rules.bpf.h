// SPDX-License-Identifier: GPL-2.0-only
// The compiled rules: one table of rows, replaced as a whole by swapping the inner map, so that there is no moment
// without rules. First match wins.
#pragma once
#include "flow.bpf.h"

#define MAX_ROWS 256
struct row { struct address network, mask; u16 port_low, port_high; u8 sides, mode, has_comm, family; u32 rule, passthrough; u64 comm[2]; };
struct ruleset { u32 count, pad; struct row rows[MAX_ROWS]; };

// Sizes instead of types: a map with BTF takes no inner map without (timer_off differs), and the agent makes them without.
struct ruleset_map { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __uint(key_size, sizeof(u32)); __uint(value_size, sizeof(struct ruleset)); } ruleset MAPS;
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, u32);
    __array(values, struct ruleset_map);
} rules MAPS = { .values = { &ruleset } };

struct query { struct address remote; u16 port; u8 side, has_comm; u32 pad; u64 comm[2]; };

// IPv4 is held as IPv4-mapped IPv6, but a network of one family is not about the other: '::/0' holds no IPv4 address.
static __always_inline u8 family_of(const struct address *a)
{
    return !a->word[0] && (u32)a->word[1] == bpf_htonl(0xffff) ? 4 : 6;
}

static __always_inline bool row_matches(const struct row *r, const struct query *q)
{
    if (!(r->sides & q->side) || q->port < r->port_low || q->port > r->port_high)
        return false;
    if (r->family && r->family != family_of(&q->remote))
        return false;
    if (((q->remote.word[0] ^ r->network.word[0]) & r->mask.word[0]) | ((q->remote.word[1] ^ r->network.word[1]) & r->mask.word[1]))
        return false;
    return !r->has_comm || (q->has_comm && r->comm[0] == q->comm[0] && r->comm[1] == q->comm[1]);
}

struct search { struct ruleset *set; const struct query *query; u32 found; };

static long try_row(u32 i, struct search *s)
{
    if (i >= MAX_ROWS)
        return 1;
    if (!row_matches(&s->set->rows[i], s->query))
        return 0;
    s->found = i + 1;
    return 1;
}

// The first row that matches, or null: the connection is none of ours. A loop by helper, because the verifier walks an
// ordinary one 256 times in each program, which takes most of the agent's start.
static __always_inline struct row *match(const struct query *q)
{
    u32 zero = 0;
    void *inner = bpf_map_lookup_elem(MAP(rules), &zero);
    struct ruleset *set = inner ? bpf_map_lookup_elem(inner, &zero) : 0;
    if (!set)
        return 0;
    struct search s = { .set = set, .query = q };
    bpf_loop(set->count, CALLBACK(try_row), &s, 0);
    u32 at = (s.found - 1) & (MAX_ROWS - 1);
    barrier_var(at); // or the compiler drops the mask, which the verifier wants to see
    return s.found ? &set->rows[at] : 0;
}
