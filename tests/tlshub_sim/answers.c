// SPDX-License-Identifier: GPL-2.0-only
/* Replies, each at its time. One worker per namespace and one list: so there is one thing to stop when it goes. */
#include <linux/jiffies.h>
#include <linux/netlink.h>
#include <linux/slab.h>

#include "sim.h"

struct answer {
	struct list_head list;
	struct sk_buff *skb;
	unsigned long due;
	u32 portid;
};

static void send(struct sim_net *sim, struct answer *answer)
{
	/* Without waiting: who does not read its replies loses them, and its fault is nobody else's. */
	if (sim->sock)
		netlink_unicast(sim->sock, answer->skb, answer->portid, MSG_DONTWAIT);
	else
		kfree_skb(answer->skb);
	list_del(&answer->list);
	kfree(answer);
}

/* Sends what is due, and sets the clock for what is not; the list is in the order of its times. */
static void pump(struct sim_net *sim)
{
	struct answer *answer, *next;

	list_for_each_entry_safe(answer, next, &sim->answers, list) {
		if (time_before(jiffies, answer->due)) {
			mod_delayed_work(system_wq, &sim->pump, answer->due - jiffies);
			return;
		}
		send(sim, answer);
	}
}

static void work(struct work_struct *item)
{
	struct sim_net *sim = container_of(to_delayed_work(item), struct sim_net, pump);

	mutex_lock(&sim->lock);
	pump(sim);
	mutex_unlock(&sim->lock);
}

static void insert(struct sim_net *sim, struct answer *one)
{
	struct answer *other;

	list_for_each_entry_reverse(other, &sim->answers, list)
		if (!time_before(one->due, other->due))
			break;
	list_add(&one->list, &other->list);
}

/* Takes the buffer over, and drops it where there is no memory: to the client, a reply that did not come. */
void sim_answer(struct sim_net *sim, u32 portid, struct sk_buff *skb, u32 after_ms)
{
	struct answer *one = skb ? kmalloc(sizeof(*one), GFP_KERNEL) : NULL;

	if (!one) {
		kfree_skb(skb);
		return;
	}
	one->skb = skb;
	one->portid = portid;
	one->due = jiffies + msecs_to_jiffies(after_ms);
	insert(sim, one);
	pump(sim);
}

void sim_answers_init(struct sim_net *sim)
{
	INIT_LIST_HEAD(&sim->answers);
	INIT_DELAYED_WORK(&sim->pump, work);
}

/* The socket is gone by now, so nothing is added any more. */
void sim_answers_exit(struct sim_net *sim)
{
	struct answer *answer, *next;

	cancel_delayed_work_sync(&sim->pump);
	list_for_each_entry_safe(answer, next, &sim->answers, list)
		send(sim, answer);
}
