// SPDX-License-Identifier: GPL-2.0-only
/* One netlink socket per network namespace, as each node has a module of its own. */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <net/netns/generic.h>
#include <net/sock.h>

#include "sim.h"

static int protocol = 31;
module_param(protocol, int, 0444);
MODULE_PARM_DESC(protocol, "netlink protocol (31)");

static unsigned int sim_id;

struct sim_net *sim_of(const struct net *net)
{
	return net_generic(net, sim_id);
}

static void input(struct sk_buff *skb)
{
	struct sim_net *sim = sim_of(sock_net(skb->sk));
	struct sim_request request;

	mutex_lock(&sim->lock);
	if (sim_parse(skb, &request))
		sim->malformed++;
	else
		sim_asked(sim, NETLINK_CB(skb).portid, &request);
	mutex_unlock(&sim->lock);
}

int sim_open(struct sim_net *sim)
{
	struct netlink_kernel_cfg config = { .input = input };

	sim->sock = netlink_kernel_create(sim->net, protocol, &config);
	return sim->sock ? 0 : -EADDRINUSE;
}

void sim_close(struct sim_net *sim)
{
	struct sock *sock;

	mutex_lock(&sim->lock);
	sock = sim->sock;
	sim->sock = NULL;
	mutex_unlock(&sim->lock);
	netlink_kernel_release(sock);
}

static int __net_init enter(struct net *net)
{
	struct sim_net *sim = sim_of(net);
	int error;

	sim->net = net;
	mutex_init(&sim->lock);
	sim_answers_init(sim);
	sim_script_reset(sim);
	error = sim_script_open(sim);
	if (!error) {
		error = sim_open(sim);
		if (error)
			sim_script_close(sim);
	}
	return error;
}

static void __net_exit leave(struct net *net)
{
	struct sim_net *sim = sim_of(net);

	sim_script_close(sim);
	sim_close(sim);
	sim_answers_exit(sim);
}

static struct pernet_operations operations = {
	.init = enter, .exit = leave, .id = &sim_id, .size = sizeof(struct sim_net),
};

static int __init load(void)
{
	pr_info("tlshub_sim: a stand-in for tests, no TLSHub: its keys never leave this machine\n");
	return register_pernet_subsys(&operations);
}

static void __exit unload(void)
{
	unregister_pernet_subsys(&operations);
	sim_forget_all();
}

module_init(load);
module_exit(unload);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Stand-in for TLSHub's kernel module in tests");
