#include "base/option.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* Index of the group of this option with the same table and defaults, or of a new one. */
static int group_for(itr_option_groups *g, const char *option, const char *name, const itr_option *table, const void *defaults, size_t size)
{
	const size_t room = (size + 15) & ~(size_t)15;
	for (int i = 0; i < g->members; i++) {
		const int k = g->member[i].group;
		if (strcmp(g->member[i].option, option) || g->group[k].table != table || memcmp(g->group[k].values, defaults, size))
			continue;
		snprintf(g->title[k] + strlen(g->title[k]), ITR_OPTION_TEXT - strlen(g->title[k]), ", %s", name);
		snprintf(g->owner[k] + strlen(g->owner[k]), ITR_OPTION_TEXT - strlen(g->owner[k]), " or --%s %s", option, name);
		return k;
	}
	if (g->n == ITR_OPTION_GROUPS || g->used + room > ITR_OPTION_BYTES)
		ITR_BUG("no room for the options of --%s %s", option, name);
	snprintf(g->title[g->n], ITR_OPTION_TEXT, "%c%s %s", toupper((unsigned char)option[0]), option + 1, name);
	snprintf(g->owner[g->n], ITR_OPTION_TEXT, "--%s %s", option, name);
	g->group[g->n] = (itr_option_group){
		.title = g->title[g->n], .owner = g->owner[g->n], .table = table, .values = memcpy(g->memory + g->used, defaults, size)
	};
	g->used += room;
	return g->n++;
}

itr_option_group *itr_option_groups_section(itr_option_groups *g, const char *title, const char *owner, const itr_option *table,
                                            void *values)
{
	if (g->n == ITR_OPTION_GROUPS)
		ITR_BUG("no room for the options of '%s'", title);
	g->group[g->n] = (itr_option_group){ .title = title, .owner = owner, .table = table, .values = values };
	return &g->group[g->n++];
}

void itr_option_groups_add(itr_option_groups *g, const char *option, const char *name, const itr_option *table, const void *defaults,
                           size_t size)
{
	if (!table || table->type == ITR_OPT_T_END)
		return;
	if (g->members == ITR_LEN(g->member))
		ITR_BUG("no room for --%s %s", option, name);
	g->member[g->members].option = option;
	g->member[g->members].name = name;
	g->member[g->members].group = group_for(g, option, name, table, defaults, size);
	g->members++;
}

void *itr_option_groups_use(itr_option_groups *g, const char *option, const char *name, const itr_option *table)
{
	void *values = NULL;
	for (int i = 0; i < g->members; i++) {
		itr_option_group *of = &g->group[g->member[i].group];
		if (strcmp(g->member[i].option, option) || strcmp(g->member[i].name, name) || (table && of->table != table))
			continue;
		of->in_use = true;
		values = of->values;
	}
	return values;
}
