// SPDX-License-Identifier: GPL-2.0-only
// Events where the kernel has no ring buffer (before 5.8): by a perf buffer for each processor, which the agent brings into
// their order. Programs that may sleep cannot write to one. What they tell is put aside: who calls them looks there after.
#pragma once

#define ASIDE 64
#define ASIDE_SIZE 48 // of the largest that is put there

struct aside { u64 size; u8 event[ASIDE_SIZE]; };
struct asides { u64 count; struct aside aside[ASIDE]; };

struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(max_entries, 8192); __type(key, u32); __type(value, u32); } streams MAPS;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 1); __type(key, u32); __type(value, struct asides); } aside MAPS;

static __always_inline long put_aside(void *event, u64 size)
{
    u32 zero = 0;
    struct asides *all = bpf_map_lookup_elem(MAP(aside), &zero);
    u64 at = all ? __sync_fetch_and_add(&all->count, 1) : ASIDE;
    if (!all || at >= ASIDE || size > ASIDE_SIZE)
        return -1;
    __builtin_memcpy(all->aside[at].event, event, size < ASIDE_SIZE ? size : ASIDE_SIZE);
    all->aside[at].size = size;
    return 0;
}

// Which of the two it is, is known when it is compiled, as it has to be: the kernel takes no program that may sleep and has
// the other one in it. For that the compiler is told that a program has a context (sources.py).
static __always_inline long send_event(void *ctx, void *event, u64 size)
{
    if (!ctx)
        return put_aside(event, size);
    return bpf_perf_event_output(ctx, MAP(streams), BPF_F_CURRENT_CPU, event, size);
}
