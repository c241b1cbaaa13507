// SPDX-License-Identifier: GPL-2.0-only
// One object, one concern in each header, in the order of a connection's way.
#include "handshake.bpf.h"
#include "gate.bpf.h"
#include "stop.bpf.h"
#include "egress.bpf.h"
#include "options.bpf.h"
#include "inq.bpf.h"
#include "adopt.bpf.h"
#include "calls.bpf.h"
#include "sweep.bpf.h"
#include "worn.bpf.h"
