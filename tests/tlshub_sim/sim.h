/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stand-in for TLSHub's kernel module, for the lab's tests. Nothing here is shared with the client under test: two
 * readings of one table that agree are worth more than one reading used twice.
 */
#ifndef TLSHUB_SIM_H
#define TLSHUB_SIM_H

#include <linux/skbuff.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#define SIM_KEY 32

enum sim_opcode { SIM_INIT, SIM_START, SIM_FETCH, SIM_OPCODES };
enum sim_version { SIM_V1, SIM_V2, SIM_VERSIONS };
enum sim_type { SIM_FIRST = 1, SIM_LATER, SIM_FAILED, SIM_LOG, SIM_CONNECTED, SIM_INITED = 7 };
enum sim_status { SIM_READY = 0, SIM_NOT_DONE = -1, SIM_EXPIRED = -2 };

struct sim_tuple { __be32 client, server; __be16 client_port, server_port; }; /* no padding: hashed as it is */

struct sim_request {
	struct sim_tuple tuple;
	__be32 server_node;
	u8 version, opcode;
	bool by_server;
};

/* What a test asked for: each counts down, for the replies to one opcode or to any. */
enum sim_prank {
	SIM_P_NOT_DONE, SIM_P_EXPIRED, SIM_P_ZERO, SIM_P_FAILED, SIM_P_CONNECTED, SIM_P_STALE, /* what is answered */
	SIM_P_LOG, SIM_P_SILENT, SIM_P_SHORT, SIM_P_TWICE, /* how */
	SIM_PRANKS
};
struct sim_count { u32 left; int opcode; };
struct sim_script {
	struct sim_count pranks[SIM_PRANKS];
	u32 handshake_ms, lag_ms, reply_ms, life_ms, short_size;
	u8 fetch_type;
};

struct sim_net {
	struct net *net;
	struct mutex lock; /* of all below */
	struct sock *sock; /* NULL: this namespace's module is 'gone' */
	struct sim_script script;
	u32 asked[SIM_VERSIONS][SIM_OPCODES][2], malformed, handshakes;
	__be32 last_node;
	struct list_head answers;
	struct delayed_work pump;
};

struct sim_net *sim_of(const struct net *net);
int sim_open(struct sim_net *sim);
void sim_close(struct sim_net *sim);

void sim_asked(struct sim_net *sim, u32 portid, const struct sim_request *request);

int sim_parse(const struct sk_buff *skb, struct sim_request *out);
struct sk_buff *sim_text(u8 type, const char *text);
struct sk_buff *sim_key(u8 type, s32 status, const u8 *key);
void sim_cut(struct sk_buff *skb, u32 size);

bool sim_start(const struct sim_request *request, struct sim_net *sim);
s32 sim_fetch(const struct sim_request *request, struct sim_net *sim, u8 *key);
void sim_drop(const struct sim_tuple *tuple);
void sim_expire_all(void);
void sim_forget_all(void);
u32 sim_links(void);

bool sim_take(struct sim_net *sim, enum sim_prank prank, u8 opcode);
u32 sim_take_all(struct sim_net *sim, enum sim_prank prank, u8 opcode);
void sim_script_reset(struct sim_net *sim);
int sim_script_open(struct sim_net *sim);
void sim_script_close(struct sim_net *sim);

void sim_answers_init(struct sim_net *sim);
void sim_answer(struct sim_net *sim, u32 portid, struct sk_buff *skb, u32 after_ms);
void sim_answers_exit(struct sim_net *sim);

#endif
