// SPDX-License-Identifier: GPL-2.0-only
// Events by a ring buffer, in the order in which they happen, from wherever.
#pragma once

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 22); } events MAPS;

static __always_inline long send_event(void *ctx, void *event, u64 size)
{
    return bpf_ringbuf_output(MAP(events), event, size, 0);
}
