// SPDX-License-Identifier: GPL-2.0-only
/* /proc/net/tlshub_sim: reading it tells what a namespace was asked, a line written to it makes its answers odd. */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>
#include <linux/string.h>

#include "sim.h"

#define NAME "tlshub_sim"
#define ANY (-1)
#define LIFE_MS 600000
#define SHORT_SIZE 40
#define FETCH_TYPE 6 /* the table names none for this reply */

static const char *const opcodes[] = { "init", "start", "fetch" };
static const char *const pranks[] = {
	[SIM_P_NOT_DONE] = "not-done", [SIM_P_EXPIRED] = "expired", [SIM_P_ZERO] = "zero",   [SIM_P_FAILED] = "failed",
	[SIM_P_CONNECTED] = "connected", [SIM_P_STALE] = "stale",   [SIM_P_LOG] = "log",     [SIM_P_SILENT] = "silent",
	[SIM_P_SHORT] = "short",	 [SIM_P_TWICE] = "twice",
};

u32 sim_take_all(struct sim_net *sim, enum sim_prank prank, u8 opcode)
{
	struct sim_count *count = &sim->script.pranks[prank];
	u32 left = count->left;

	if (count->opcode != ANY && count->opcode != opcode)
		return 0;
	count->left = 0;
	return left;
}

bool sim_take(struct sim_net *sim, enum sim_prank prank, u8 opcode)
{
	u32 left = sim_take_all(sim, prank, opcode);

	if (left)
		sim->script.pranks[prank].left = left - 1;
	return left;
}

void sim_script_reset(struct sim_net *sim)
{
	sim->script = (struct sim_script){ .life_ms = LIFE_MS, .short_size = SHORT_SIZE, .fetch_type = FETCH_TYPE };
	memset(sim->asked, 0, sizeof(sim->asked));
	sim->malformed = sim->handshakes = 0;
	sim->last_node = 0;
}

static int set(struct sim_net *sim, const char *name, u32 value, int opcode)
{
	int prank = match_string(pranks, SIM_PRANKS, name);

	if (prank >= 0)
		sim->script.pranks[prank] = (struct sim_count){ .left = value, .opcode = opcode };
	else if (!strcmp(name, "delay"))
		sim->script.handshake_ms = value;
	else if (!strcmp(name, "lag"))
		sim->script.lag_ms = value;
	else if (!strcmp(name, "slow"))
		sim->script.reply_ms = value;
	else if (!strcmp(name, "life"))
		sim->script.life_ms = value;
	else if (!strcmp(name, "short-size"))
		sim->script.short_size = value;
	else if (!strcmp(name, "fetch-type") && value <= U8_MAX)
		sim->script.fetch_type = value;
	else
		return -EINVAL;
	return 0;
}

static int with_value(struct sim_net *sim, const char *line)
{
	char name[16], opcode[8];
	int words, which = ANY;
	u32 value;

	words = sscanf(line, "%15s %u %7s", name, &value, opcode);
	if (words == 3)
		which = match_string(opcodes, SIM_OPCODES, opcode);
	return words < 2 || (words == 3 && which < 0) ? -EINVAL : set(sim, name, value, which);
}

static int obey(struct sim_net *sim, const char *line)
{
	int result = 0;

	mutex_lock(&sim->lock);
	if (!strcmp(line, "reset"))
		sim_script_reset(sim);
	else if (!strcmp(line, "expire-all"))
		sim_expire_all();
	else if (!strcmp(line, "forget-all"))
		sim_forget_all();
	else
		result = with_value(sim, line);
	mutex_unlock(&sim->lock);
	return result;
}

/* As if the module were taken away while clients have sockets, whose use of it the kernel would otherwise wait for. */
static int come_or_go(struct sim_net *sim, const char *line)
{
	if (!strcmp(line, "gone") && sim->sock)
		sim_close(sim);
	else if (!strcmp(line, "back") && !sim->sock)
		return sim_open(sim);
	else
		return obey(sim, line);
	return 0;
}

static int write(struct file *file, char *text, size_t size)
{
	struct sim_net *sim = sim_of(seq_file_single_net(file->private_data));
	char *line;
	int error;

	while ((line = strsep(&text, "\n")) != NULL) {
		error = *line ? come_or_go(sim, line) : 0;
		if (error)
			return error;
	}
	return size;
}

static int show(struct seq_file *file, void *unused)
{
	struct sim_net *sim = sim_of(seq_file_single_net(file));
	int version, opcode;

	mutex_lock(&sim->lock);
	for (version = 0; version < SIM_VERSIONS; version++)
		for (opcode = 0; opcode < SIM_OPCODES; opcode++) {
			u32 *asked = sim->asked[version][opcode];

			seq_printf(file, "v%d %s client %u\n", version + 1, opcodes[opcode], asked[0]);
			seq_printf(file, "v%d %s server %u\n", version + 1, opcodes[opcode], asked[1]);
		}
	seq_printf(file, "malformed %u\nnode %pI4\nlinks %u\n", sim->malformed, &sim->last_node, sim_links());
	mutex_unlock(&sim->lock);
	return 0;
}

int sim_script_open(struct sim_net *sim)
{
	return proc_create_net_single_write(NAME, 0600, sim->net->proc_net, show, write, NULL) ? 0 : -ENOMEM;
}

void sim_script_close(struct sim_net *sim)
{
	remove_proc_entry(NAME, sim->net->proc_net);
}
