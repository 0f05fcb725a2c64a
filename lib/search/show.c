/* show.c - answers as text, JSON and picture. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "search/lookup_internal.h"
#include "plot/result_picture.h"

const char *itr_lookup_id(const itr_lookup *l, int64_t row)
{
	return l->o.to == ITR_TEXT ? l->data.table.id[ITR_TEXT][row] : l->data.table.id[ITR_IMAGE][row];
}

const char *itr_lookup_words(const itr_lookup *l, int64_t row)
{
	if (l->o.to != ITR_TEXT || !l->caption_text)
		return NULL;
	return (const char *)(intptr_t)itr_map_get(l->caption_text, l->data.table.id[ITR_TEXT][row], 0);
}

static char *picture_path(const itr_lookup *l, const char *id)
{
	int64_t record = l->image_record ? itr_map_get(l->image_record, id, -1) : -1;
	return record < 0 ? NULL : itr_manifest_image_path(l->manifest, &l->manifest->records[record]);
}

char *itr_lookup_path(const itr_lookup *l, int64_t row)
{
	return l->o.to == ITR_IMAGE ? picture_path(l, l->data.table.id[ITR_IMAGE][row]) : NULL;
}

/* Is the relevance of this query known? That of pictures to a picture is not. */
static bool has_truth(const itr_lookup *l, const itr_lookup_query *q)
{
	return q->row >= 0 && l->data.table.text_image && !(l->o.from == ITR_IMAGE && l->o.to == ITR_IMAGE);
}

itr_json *itr_lookup_json(const itr_lookup *l, const itr_lookup_query *q, const itr_lookup_result *r, int64_t k)
{
	itr_json *j = itr_json_object(), *query = itr_json_add_object(j, "query"), *a;
	itr_json_add_str(query, "id", q->id);
	itr_json_add_str(query, "text", q->text);
	itr_json_add(j, "rank", r->rank ? itr_json_new_int(r->rank) : itr_json_new_null());
	a = itr_json_add_array(j, "results");
	for (int64_t i = 0; i < k && r->hits[i].row >= 0; i++) {
		int64_t row = r->hits[i].row;
		itr_json *h = itr_json_object();
		char *path = itr_lookup_path(l, row);
		itr_json_add_int(h, "rank", i + 1);
		itr_json_add_str(h, "id", itr_lookup_id(l, row));
		itr_json_add_str(h, "path", path);
		if (l->o.to == ITR_TEXT)
			itr_json_add_str(h, "text", itr_lookup_words(l, row));
		itr_json_add_num(h, "score", (double)r->hits[i].score);
		itr_json_add(h, "correct", has_truth(l, q) ? itr_json_new_bool(r->correct[i]) : itr_json_new_null());
		itr_json_push(a, h);
		free(path);
	}
	return j;
}

void itr_lookup_print(const itr_lookup *l, const itr_lookup_query *q, const itr_lookup_result *r, int64_t k, itr_buf *out)
{
	itr_buf_printf(out, "%s%s%s\n", q->id ? q->id : "", q->id && q->text ? ": " : "", q->text ? q->text : q->id ? "" : "vector");
	for (int64_t i = 0; i < k && r->hits[i].row >= 0; i++) {
		char *path = itr_lookup_path(l, r->hits[i].row);
		const char *words = itr_lookup_words(l, r->hits[i].row);
		itr_buf_printf(out, path || words ? "  %2lld  %7.4f  %s %-14s %s\n" : "  %2lld  %7.4f  %s %s%s\n", (long long)i + 1,
		               (double)r->hits[i].score, r->correct[i] ? "*" : " ", itr_lookup_id(l, r->hits[i].row),
		               path    ? path
		               : words ? words
		                       : "");
		free(path);
	}
	if (r->rank > k)
		itr_buf_printf(out, "      the right one is at rank %lld of %lld\n", (long long)r->rank, (long long)itr_lookup_size(l));
}

/* --- the picture ---------------------------------------------------------------------------------------------------------------------- */

/* Does the picture carry the words that were asked, in any of its captions? */
static bool same_words(const itr_lookup *l, const itr_lookup_query *q, int64_t row)
{
	int64_t record = q->text && l->image_record ? itr_map_get(l->image_record, l->data.table.id[ITR_IMAGE][row], -1) : -1;
	const itr_record *r = record < 0 ? NULL : &l->manifest->records[record];
	for (int64_t i = 0; r && i < r->n_captions; i++)
		if (!strcmp(r->captions[i].text, q->text))
			return true;
	return false;
}

static int fill_row(const itr_lookup *l, const itr_lookup_query *q, const itr_lookup_result *r, int64_t k, itr_result_row *row,
                    char **owned, itr_err *err)
{
	*row = (itr_result_row){ .caption = q->text ? q->text : q->id ? q->id : "vector", .note = q->text ? q->id : NULL };
	bool found = false, known = has_truth(l, q);
	if (l->o.from == ITR_IMAGE && q->row >= 0)
		row->query = owned[ITR_RESULT_HITS + 2] = picture_path(l, l->data.table.id[ITR_IMAGE][q->row]);
	for (int64_t i = 0; i < ITR_MIN(k, ITR_RESULT_HITS) && r->hits[i].row >= 0; i++) {
		owned[i] = itr_lookup_path(l, r->hits[i].row);
		if (!owned[i])
			return itr_err_set(err, "the manifest has no picture '%s'", itr_lookup_id(l, r->hits[i].row));
		itr_result_mark mark = !known                             ? ITR_RESULT_UNKNOWN
		                      : r->correct[i]                    ? ITR_RESULT_HIT
		                      : same_words(l, q, r->hits[i].row) ? ITR_RESULT_SAME
		                                                         : ITR_RESULT_MISS;
		row->hits[row->n_hits++] = (itr_result_hit){ owned[i], itr_lookup_id(l, r->hits[i].row), (double)r->hits[i].score, mark };
		found = found || r->correct[i];
	}
	int64_t truth = q->row >= 0 && l->o.from == ITR_TEXT && l->data.table.text_image ? l->data.table.text_image[q->row] : -1;
	if (!found && truth >= 0) {
		owned[ITR_RESULT_HITS] = itr_lookup_path(l, truth);
		owned[ITR_RESULT_HITS + 1] = itr_xasprintf("found at rank %lld of %lld", (long long)r->rank, (long long)itr_lookup_size(l));
		row->truth = owned[ITR_RESULT_HITS];
		row->truth_name = owned[ITR_RESULT_HITS + 1];
	}
	return 0;
}

int itr_lookup_sheet(const itr_lookup *l, const itr_lookup_query *q, const itr_lookup_result *r, int64_t n, int64_t k, const char *png,
                     itr_err *err)
{
	enum { OWNED = ITR_RESULT_HITS + 3 };
	if (!l->manifest || l->o.to != ITR_IMAGE)
		return itr_err_set(err, "a picture of the answers needs pictures: --to image and --manifest FILE");
	itr_result_row *rows = itr_xcalloc((size_t)n + 1, sizeof *rows);
	char **owned = itr_xcalloc((size_t)(n + 1) * OWNED, sizeof *owned);
	int64_t hits = 0, same = 0, asked = 0;
	int rc = 0;
	for (int64_t i = 0; i < n && rc == 0; i++) {
		rc = fill_row(l, &q[i], &r[i], k, &rows[i], owned + i * OWNED, err);
		asked += has_truth(l, &q[i]);
		bool hit = false, again = false;
		for (int c = 0; c < rows[i].n_hits; c++) {
			hit |= rows[i].hits[c].mark == ITR_RESULT_HIT;
			again |= rows[i].hits[c].mark == ITR_RESULT_SAME;
		}
		hits += hit;
		same += again && !hit;
	}
	itr_buf line = ITR_BUF_INIT;
	if (asked) {
		itr_buf_printf(&line, "%lld of these %lld queries find their picture among the first %d", (long long)hits, (long long)asked,
		               (int)ITR_MIN(k, ITR_RESULT_HITS));
		if (same)
			itr_buf_printf(&line, " and %lld another of the same caption", (long long)same);
		itr_buf_printf(&line, "; guessing would find %.2g (gallery of %lld)",
		               (double)asked * (double)ITR_MIN(k, ITR_RESULT_HITS) / (double)itr_lookup_size(l),
		               (long long)itr_lookup_size(l));
	}
	else
		itr_buf_printf(&line, "gallery of %lld pictures", (long long)itr_lookup_size(l));
	if (l->data.table.synthetic)
		itr_buf_puts(&line, "   synthetic data");
	if (rc == 0)
		rc = itr_result_picture_render(png, "What the queries find", line.data, rows, n, l->o.threads, err);
	itr_buf_free(&line);
	for (int64_t i = 0; i < n * OWNED; i++)
		free(owned[i]);
	free(owned);
	free(rows);
	return rc;
}
