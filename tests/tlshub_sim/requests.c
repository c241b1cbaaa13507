// SPDX-License-Identifier: GPL-2.0-only
/* What becomes of a request, by the table and by the script of its namespace. Called with the namespace's lock held. */
#include <linux/kernel.h>

#include "sim.h"

static void send(struct sim_net *sim, u32 portid, u8 opcode, struct sk_buff *skb, u32 after_ms)
{
	u32 logs = sim_take_all(sim, SIM_P_LOG, opcode), line;
	char text[40];

	for (line = 1; line <= logs; line++) {
		snprintf(text, sizeof(text), "stand-in: log line %u of %u", line, logs);
		sim_answer(sim, portid, sim_text(SIM_LOG, text), after_ms);
	}
	if (skb && sim_take(sim, SIM_P_SHORT, opcode))
		sim_cut(skb, sim->script.short_size);
	if (skb && sim_take(sim, SIM_P_TWICE, opcode))
		sim_answer(sim, portid, skb_copy(skb, GFP_KERNEL), after_ms);
	sim_answer(sim, portid, skb, after_ms);
}

static void start(struct sim_net *sim, u32 portid, const struct sim_request *request)
{
	u32 after_ms = sim->script.handshake_ms + sim->script.reply_ms;

	if (sim_take(sim, SIM_P_FAILED, SIM_START)) {
		sim_drop(&request->tuple);
		send(sim, portid, SIM_START, sim_text(SIM_FAILED, "handshake failed"), after_ms);
	} else if (sim_take(sim, SIM_P_CONNECTED, SIM_START) || !sim_start(request, sim)) {
		send(sim, portid, SIM_START, sim_text(SIM_CONNECTED, "already connected"), sim->script.reply_ms);
	} else {
		u8 type = sim->handshakes++ ? SIM_LATER : SIM_FIRST;

		send(sim, portid, SIM_START, sim_text(type, "handshake done"), after_ms);
	}
}

static void fetch(struct sim_net *sim, u32 portid, const struct sim_request *request)
{
	u8 key[SIM_KEY] = {};
	s32 status;

	if (sim_take(sim, SIM_P_NOT_DONE, SIM_FETCH))
		status = SIM_NOT_DONE;
	else if (sim_take(sim, SIM_P_EXPIRED, SIM_FETCH))
		status = SIM_EXPIRED;
	else if (sim_take(sim, SIM_P_ZERO, SIM_FETCH))
		status = SIM_READY;
	else
		status = sim_fetch(request, sim, key);
	send(sim, portid, SIM_FETCH, sim_key(sim->script.fetch_type, status, key), sim->script.reply_ms);
	memzero_explicit(key, sizeof(key));
}

void sim_asked(struct sim_net *sim, u32 portid, const struct sim_request *request)
{
	sim->asked[request->version][request->opcode][request->by_server]++;
	if (request->version == SIM_V2)
		sim->last_node = request->server_node;
	if (sim_take(sim, SIM_P_SILENT, request->opcode))
		return;
	if (request->opcode == SIM_INIT)
		send(sim, portid, SIM_INIT, sim_text(SIM_INITED, "init complete"), sim->script.reply_ms);
	else if (request->opcode == SIM_START)
		start(sim, portid, request);
	else
		fetch(sim, portid, request);
}
