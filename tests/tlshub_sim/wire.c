// SPDX-License-Identifier: GPL-2.0-only
/* Requests and replies as bytes. Requests are read strictly: what the table does not show is counted as malformed. */
#include <linux/string.h>
#include <net/netlink.h>

#include "sim.h"

struct head { __be32 client, server; } __packed;
struct tail { __be16 client_port, server_port; u8 opcode, by_server, pad[2]; } __packed;
/* Between the two, version 2 has the address of the server's node. */
static const size_t sizes[] = {
	[SIM_V1] = sizeof(struct head) + sizeof(struct tail),
	[SIM_V2] = sizeof(struct head) + sizeof(__be32) + sizeof(struct tail),
};

struct reply { u8 type; char message[125]; u8 pad[2]; } __packed;

static int read_tail(const struct tail *tail, struct sim_request *out)
{
	out->tuple.client_port = tail->client_port;
	out->tuple.server_port = tail->server_port;
	out->opcode = tail->opcode;
	out->by_server = tail->by_server;
	if (tail->opcode >= SIM_OPCODES || tail->by_server > 1 || tail->pad[0] || tail->pad[1])
		return -EINVAL;
	return tail->opcode == SIM_INIT && !tail->by_server ? -EINVAL : 0;
}

static bool header_is_right(const struct sk_buff *skb, const struct nlmsghdr *head)
{
	return head->nlmsg_len == skb->len && !head->nlmsg_type && !head->nlmsg_flags && !head->nlmsg_seq &&
	       head->nlmsg_pid == NETLINK_CB(skb).portid;
}

int sim_parse(const struct sk_buff *skb, struct sim_request *out)
{
	const struct nlmsghdr *message = nlmsg_hdr(skb);
	const struct head *head = nlmsg_data(message);
	size_t size = skb->len - NLMSG_HDRLEN;

	if (skb->len < NLMSG_HDRLEN || !header_is_right(skb, message))
		return -EINVAL;
	if (size != sizes[SIM_V1] && size != sizes[SIM_V2])
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	out->version = size == sizes[SIM_V1] ? SIM_V1 : SIM_V2;
	out->tuple.client = head->client;
	out->tuple.server = head->server;
	if (out->version == SIM_V2)
		out->server_node = *(const __be32 *)(head + 1);
	return read_tail((const void *)head + size - sizeof(struct tail), out);
}

static struct sk_buff *reply(u8 type, const void *message, size_t size)
{
	struct sk_buff *skb = nlmsg_new(sizeof(struct reply), GFP_KERNEL);
	struct nlmsghdr *head;
	struct reply *body;

	if (!skb)
		return NULL;
	head = nlmsg_put(skb, 0, 0, NLMSG_DONE, sizeof(struct reply), 0);
	body = nlmsg_data(head);
	memset(body, 0, sizeof(*body));
	body->type = type;
	memcpy(body->message, message, min(size, sizeof(body->message)));
	return skb;
}

struct sk_buff *sim_text(u8 type, const char *text)
{
	return reply(type, text, strlen(text));
}

struct sk_buff *sim_key(u8 type, s32 status, const u8 *key)
{
	u8 message[sizeof(status) + SIM_KEY];
	struct sk_buff *skb;

	memcpy(message, &status, sizeof(status));
	memcpy(message + sizeof(status), key, SIM_KEY);
	skb = reply(type, message, sizeof(message));
	memzero_explicit(message, sizeof(message));
	return skb;
}

void sim_cut(struct sk_buff *skb, u32 size)
{
	if (size >= skb->len)
		return;
	skb_trim(skb, size);
	if (size >= NLMSG_HDRLEN)
		nlmsg_hdr(skb)->nlmsg_len = size;
}
