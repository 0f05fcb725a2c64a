/* Relevance as JSON: {"t2i": {text: [image, ...]}, "i2t": {...}}, or one map {text: [image, ...]} and its inverse; with grades
 * {text: {image: 2, ...}}. */
#include <stdio.h>

#include "base/path.h"
#include "evaluate/qrels_internal.h"

static int add_grades(itr_qrels_reading *r, itr_modality m, const itr_json *grades, const char *path, itr_err *err)
{
	for (const itr_json *v = itr_json_first(grades); v; v = itr_json_next(v)) {
		char where[512];
		snprintf(where, sizeof where, "'%.200s': query '%.100s', document '%.100s'", path, itr_json_key(grades), itr_json_key(v));
		if (!itr_json_is_number(v))
			return itr_err_set(err, "%s: the grade is no number", where);
		double grade = itr_json_num(v, 0);
		if (itr_qrels_check_grade(r, grade, where, err) < 0)
			return -1;
		itr_qrels_add(r, m, itr_json_key(grades), itr_json_key(v), grade);
	}
	return 0;
}

int itr_qrels_add_map(itr_qrels_reading *r, itr_modality m, const itr_json *map, const char *path, itr_err *err)
{
	char buf[512];
	if (!itr_json_is_object(map))
		return itr_err_set(err, "'%s' is not a map from query ids to lists of ids", path);
	for (const itr_json *q = itr_json_first(map); q; q = itr_json_next(q)) {
		if (!itr_json_is_array(q) && !itr_json_is_object(q))
			return itr_err_set(err, "'%s': query '%s' has no list of ids", path, itr_json_key(q));
		itr_qrels_name_query(r, m, itr_json_key(q));
		if (itr_json_is_object(q) && add_grades(r, m, q, path, err) < 0)
			return -1;
		for (const itr_json *v = itr_json_is_array(q) ? itr_json_first(q) : NULL; v; v = itr_json_next(v)) {
			const char *id = itr_json_id(v, buf, sizeof buf);
			if (!id)
				return itr_err_set(err, "'%s': query '%s' lists something that is no id", path, itr_json_key(q));
			itr_qrels_add(r, m, itr_json_key(q), id, 1);
		}
	}
	return 0;
}

static int read_json(itr_qrels_reading *r, const char *path, itr_err *err)
{
	itr_json *j = itr_json_read(path, err);
	int rc = -1;
	if (j) {
		const itr_json *t2i = itr_json_get(j, "t2i"), *i2t = itr_json_get(j, "i2t");
		r->side[ITR_TEXT].present = t2i || !i2t;
		r->side[ITR_IMAGE].present = i2t != NULL;
		rc = r->side[ITR_TEXT].present ? itr_qrels_add_map(r, ITR_TEXT, t2i ? t2i : j, path, err) : 0;
		if (rc == 0 && i2t)
			rc = itr_qrels_add_map(r, ITR_IMAGE, i2t, path, err);
	}
	itr_json_free(j);
	itr_qrels_input(r, path);
	return rc;
}

static bool is_json(const char *path) { return itr_path_has_suffix(path, ".json"); }

const itr_qrels_reader itr_qrels_json = {
	.name = "json",
	.meta = "FILE.json",
	.summary = "maps from query ids to lists of ids, or to grades by id",
	.is = is_json,
	.read = read_json,
};
