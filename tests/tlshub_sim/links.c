// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handshakes between the nodes. All namespaces of one kernel share this table: what two real modules agree on over
 * the network, the stand-in for both of them simply knows.
 */
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "sim.h"

#define MOST 65536 /* clients choose the tuples: the oldest make room */

struct link {
	struct hlist_node node;
	struct list_head age;
	struct sim_tuple tuple;
	u8 key[SIM_KEY], before[SIM_KEY];
	bool keyed, stale; /* stale: the other node keeps the key before this one until it is done there */
	const struct sim_net *starter;
	unsigned long done, done_there, end;
};

static DEFINE_HASHTABLE(links, 10);
static LIST_HEAD(oldest_first);
static DEFINE_MUTEX(lock);
static u32 count;

static u32 hash(const struct sim_tuple *tuple)
{
	return jhash(tuple, sizeof(*tuple), 0);
}

static struct link *find(const struct sim_tuple *tuple)
{
	struct link *link;

	hash_for_each_possible(links, link, node, hash(tuple))
		if (!memcmp(&link->tuple, tuple, sizeof(*tuple)))
			return link;
	return NULL;
}

static void forget(struct link *link)
{
	hash_del(&link->node);
	list_del(&link->age);
	kfree_sensitive(link);
	count--;
}

static struct link *found_or_new(const struct sim_tuple *tuple)
{
	struct link *link = find(tuple);

	if (link)
		return link;
	link = kzalloc(sizeof(*link), GFP_KERNEL);
	if (!link)
		return NULL;
	link->tuple = *tuple;
	link->end = link->done = link->done_there = jiffies;
	hash_add(links, &link->node, hash(tuple));
	list_add_tail(&link->age, &oldest_first);
	if (++count > MOST)
		forget(list_first_entry(&oldest_first, struct link, age));
	return link;
}

/* A new key, also where a key lives: this is how a client gets rid of one. False: a handshake is under way already. */
bool sim_start(const struct sim_request *request, struct sim_net *sim)
{
	struct link *link;
	bool begun;

	mutex_lock(&lock);
	link = found_or_new(&request->tuple);
	begun = link && !time_before(jiffies, link->done);
	if (begun) {
		memcpy(link->before, link->key, SIM_KEY);
		get_random_bytes(link->key, SIM_KEY);
		link->stale = link->keyed && sim_take(sim, SIM_P_STALE, SIM_START);
		link->keyed = true;
		link->starter = sim;
		link->done = jiffies + msecs_to_jiffies(sim->script.handshake_ms);
		link->done_there = link->done + msecs_to_jiffies(sim->script.lag_ms);
		link->end = link->done + msecs_to_jiffies(sim->script.life_ms);
		list_move_tail(&link->age, &oldest_first);
	}
	mutex_unlock(&lock);
	return begun;
}

static s32 look(const struct link *link, const struct sim_net *sim, u8 *key)
{
	bool there = link && link->starter != sim;
	bool under_way = link && time_before(jiffies, there ? link->done_there : link->done);
	bool old = under_way && there && link->stale;

	if (!link || (under_way && !old))
		return SIM_NOT_DONE;
	if (!old && !time_before(jiffies, link->end))
		return SIM_EXPIRED;
	memcpy(key, old ? link->before : link->key, SIM_KEY);
	return SIM_READY;
}

/* Fills in the key where there is one; leaves it as it is otherwise. */
s32 sim_fetch(const struct sim_request *request, struct sim_net *sim, u8 *key)
{
	s32 status;

	mutex_lock(&lock);
	status = look(find(&request->tuple), sim, key);
	mutex_unlock(&lock);
	return status;
}

void sim_drop(const struct sim_tuple *tuple)
{
	struct link *link;

	mutex_lock(&lock);
	link = find(tuple);
	if (link)
		forget(link);
	mutex_unlock(&lock);
}

void sim_expire_all(void)
{
	struct link *link;

	mutex_lock(&lock);
	list_for_each_entry(link, &oldest_first, age)
		link->done = link->done_there = link->end = jiffies;
	mutex_unlock(&lock);
}

void sim_forget_all(void)
{
	struct link *link, *next;

	mutex_lock(&lock);
	list_for_each_entry_safe(link, next, &oldest_first, age)
		forget(link);
	mutex_unlock(&lock);
}

u32 sim_links(void)
{
	return READ_ONCE(count);
}
