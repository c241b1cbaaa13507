// SPDX-License-Identifier: GPL-2.0-only
// The kernel as the programs see it: compiled once for all kernels, or on a node for its own (ON_NODE). Whatever differs
// between the two, and between the kernel's releases, is in one of these two headers, under the same names.
#pragma once
#ifdef ON_NODE
#include "node.bpf.h"
#else
#include "core.bpf.h"
#endif

enum { SK_ESTABLISHED = 1, SK_SYN_SENT = 2, SK_FIN_WAIT1 = 4, SK_FIN_WAIT2 = 5, SK_TIME_WAIT = 6, SK_CLOSE = 7, SK_CLOSE_WAIT = 8, SK_LAST_ACK = 9, SK_CLOSING = 11, SK_NEW_SYN_RECV = 12 };
