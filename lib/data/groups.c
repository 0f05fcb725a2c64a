#include "data/groups.h"

#include <stdlib.h>
#include <strings.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "io/table.h"

struct itr_groups {
	int64_t n, *above;              /* the row that a row hangs from; itself: it is its group's first */
	itr_map *tags;                  /* tag -> a row that has it */
};

itr_groups *itr_groups_new(int64_t n)
{
	itr_groups *g = itr_xcalloc(1, sizeof *g);
	g->n = n;
	g->above = itr_xmalloc((size_t)ITR_MAX(n, 1) * sizeof *g->above);
	for (int64_t i = 0; i < n; i++)
		g->above[i] = i;
	g->tags = itr_map_new();
	return g;
}

void itr_groups_free(itr_groups *g)
{
	if (!g)
		return;
	free(g->above);
	itr_map_free(g->tags);
	free(g);
}

int64_t itr_groups_of(itr_groups *g, int64_t row)
{
	while (g->above[row] != row)
		row = g->above[row] = g->above[g->above[row]];
	return row;
}

void itr_groups_join(itr_groups *g, int64_t a, int64_t b)
{
	a = itr_groups_of(g, a);
	b = itr_groups_of(g, b);
	g->above[ITR_MAX(a, b)] = ITR_MIN(a, b);
}

void itr_groups_tag(itr_groups *g, int64_t row, const char *tag)
{
	if (!itr_map_add(g->tags, tag, row))
		itr_groups_join(g, row, itr_map_get(g->tags, tag, row));
}

static int read_rows(itr_groups *g, itr_textfile *t, itr_map *rows, bool *named, int64_t *unknown, itr_err *err)
{
	itr_buf scratch = ITR_BUF_INIT;
	const char *why = NULL;
	char *field[2];
	int64_t line = 0;
	int k, rc = 0;
	while (rc == 0 && (k = itr_csv_record(t, &scratch, field, 2, &why)) != 0) {
		line++;
		if (k != 2 || !field[0][0] || !field[1][0]) {
			rc = itr_err_set(err, "'%s': record %lld is not 'id,group'%s%s", itr_textfile_name(t), (long long)line,
			                 k < 0 ? ": " : "", k < 0 ? why : "");
			break;
		}
		const int64_t row = itr_map_get(rows, field[0], -1);
		if (row >= 0) {
			itr_groups_tag(g, row, field[1]);
			named[row] = true;
		} else {
			*unknown += line > 1 || (strcasecmp(field[0], "id") && strcasecmp(field[1], "group"));
		}
	}
	itr_buf_free(&scratch);
	return rc;
}

int itr_groups_read(itr_groups *g, const char *path, const char *const *ids, int64_t n, itr_err *err)
{
	itr_textfile *t = itr_textfile_open(path, err);
	if (!t)
		return -1;
	itr_map *rows = itr_map_new();
	bool *named = itr_xcalloc((size_t)ITR_MAX(n, 1), sizeof *named);
	int64_t unknown = 0, known = 0;
	for (int64_t i = 0; i < n; i++)
		itr_map_add(rows, ids[i], i);
	int rc = read_rows(g, t, rows, named, &unknown, err);
	for (int64_t i = 0; i < n; i++)
		known += named[i];
	if (rc == 0 && known == 0 && n > 0)
		rc = itr_err_set(err, "'%s' names none of the ids here (such as '%s'): one 'id,group' a line", path, ids[0]);
	if (rc == 0 && (known < n || unknown))
		itr_warn("'%s': %lld of %lld ids are in no group (each is one of its own), %lld lines are about ids that are not here",
		         path, (long long)(n - known), (long long)n, (long long)unknown);
	itr_textfile_close(t);
	itr_map_free(rows);
	free(named);
	return rc;
}
