#include "fetch/models.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/path.h"
#include "fetch/annotations.h"
#include "fetch/pins.h"
#include "io/weights.h"

enum { MAX_JSON = 64 << 20 };

#define NEED(file, sha) { file, sha, ITR_MODEL_NEED, false },
#define EXTRA(file, sha) { file, sha, ITR_MODEL_EXTRA, false },
#define WEIGHTS(file, sha) { file, sha, ITR_MODEL_WEIGHTS, false },
#define ZIPPED(file, sha) { file, sha, ITR_MODEL_WEIGHTS, true },
#define MODEL(name, url, what, licence, ...)                                                                                               \
	{ name,                                                                                                                            \
	  url,                                                                                                                             \
	  what,                                                                                                                            \
	  licence,                                                                                                                         \
	  (const itr_model_file[]){ __VA_ARGS__ },                                                                                         \
	  (int)(sizeof((const itr_model_file[]){ __VA_ARGS__ }) / sizeof(itr_model_file)) },
static const itr_public_model models[] = {
#include "fetch/models.def"
};
#undef MODEL
#undef NEED
#undef EXTRA
#undef WEIGHTS
#undef ZIPPED

int itr_public_models(void) { return ITR_LEN(models); }
const itr_public_model *itr_public_model_at(int i) { return i >= 0 && i < ITR_LEN(models) ? &models[i] : NULL; }

const itr_public_model *itr_public_model_find(const char *name, itr_err *err)
{
	const char *names[ITR_LEN(models)];
	for (int i = 0; i < ITR_LEN(models); i++) {
		names[i] = models[i].name;
		if (!strcmp(name, models[i].name))
			return &models[i];
	}
	itr_err_set(err, "unknown model '%s': did you mean '%s'? --list shows all", name, itr_nearest(name, names, ITR_LEN(models)));
	return NULL;
}

char *itr_cache_folder(const char *option, itr_err *err)
{
	const char *own = getenv("ITR_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	if (option)
		return itr_xstrdup(option);
	if (own && own[0])
		return itr_xstrdup(own);
	if (xdg && xdg[0] == '/')               /* the XDG specification: relative ones are to be ignored */
		return itr_path_join(xdg, "itr");
	if (home && home[0])
		return itr_path_join(home, ".cache/itr");
	itr_err_set(err, "there is no cache folder: neither ITR_CACHE nor XDG_CACHE_HOME nor HOME is set; name one with --cache");
	return NULL;
}

/* --- one fetch ---------------------------------------------------------------------------------------------------------------- */

struct fetch {
	const itr_public_model *m;
	const char *folder;
	const itr_model_opts *o;
	itr_pins *pins;
	itr_http *client;               /* made for the first request */
	itr_json *report;
	bool complete;                  /* all required files exist: optional ones are not requested again */
};

static char *path_of(const char *folder, const itr_model_file *f) { return itr_path_join(folder, f->name); }

static bool present(const char *folder, const itr_model_file *f)
{
	char *path = path_of(folder, f);
	bool is = itr_path_exists(path);
	free(path);
	return is;
}

/* The weights file that exists, or NULL. */
static const itr_model_file *weights_present(const itr_public_model *m, const char *folder)
{
	for (int i = 0; i < m->n_files; i++)
		if (m->files[i].need == ITR_MODEL_WEIGHTS && present(folder, &m->files[i]))
			return &m->files[i];
	return NULL;
}

bool itr_public_model_present(const itr_public_model *m, const char *folder)
{
	for (int i = 0; i < m->n_files; i++)
		if (m->files[i].need == ITR_MODEL_NEED && !present(folder, &m->files[i]))
			return false;
	return weights_present(m, folder) != NULL;
}

/* The expected hash when it differs, otherwise "". */
static const char *contradicts(const itr_model_file *f, const itr_pin *pin, const char *sha256)
{
	if (strncmp(f->sha256, sha256, strlen(f->sha256)))
		return f->sha256;
	return pin && strcmp(pin->sha256, sha256) ? pin->sha256 : "";
}

/* Opens the file as weights or JSON, which fails for an error page with status 200. */
static int look(const itr_model_file *f, const char *path, itr_err *err)
{
	if (f->need == ITR_MODEL_WEIGHTS) {
		itr_weights *w = itr_weights_open(path, err);
		itr_weights_close(w);
		return w ? 0 : -1;
	}
	if (itr_path_has_suffix(f->name, ".json")) {
		itr_json *j = itr_path_size(path) > MAX_JSON ? NULL : itr_json_read(path, err);
		itr_json_free(j);
		return j ? 0 : -1;
	}
	return 0;
}

/* The check of a complete part before its rename. */
static int check_part(const itr_http_job *job, const char *path, itr_err *err)
{
	const itr_model_file *f = job->user;
	char hex[ITR_SHA256_HEX];
	size_t known = strlen(f->sha256);
	if (known > 0 && known < 64 && (itr_sha256_file(path, hex, err) < 0 || strncmp(hex, f->sha256, known)))
		return itr_err_set(err, "its sha256 does not begin with %s", f->sha256);
	return look(f, path, err);
}

static int make_client(struct fetch *f, itr_err *err)
{
	if (!f->client)
		f->client = itr_http_new(&f->o->http, err);
	return f->client ? 0 : -1;
}

/* One job with progress. */
struct one {
	const itr_http_job *job;
	itr_http_result *result;
	void (*tick)(void *, int64_t);
	void *progress;
	bool given;
};

static int next_job(void *ctx, itr_http_job *job)
{
	struct one *o = ctx;
	if (o->given)
		return 0;
	*job = *o->job;
	o->given = true;
	return 1;
}

static void job_done(void *ctx, const itr_http_job *job, const itr_http_result *r)
{
	(void)job;
	*((struct one *)ctx)->result = *r;
}

static void job_tick(void *ctx, int64_t received)
{
	struct one *o = ctx;
	if (o->tick)
		o->tick(o->progress, received);
}

/* 1: downloaded; 0: does not exist (404, or no such file); -1 with err. */
static int download(struct fetch *f, const itr_model_file *file, const itr_pin *pin, const char *path, itr_err *err)
{
	char *url = itr_http_join(f->o->base_url ? f->o->base_url : f->m->url, file->name);
	itr_http_job job = { .url = url,
		             .target = path,
		             .sha256 = strlen(file->sha256) == 64 ? file->sha256
		                       : pin                      ? pin->sha256
		                                                  : NULL,
		             .check = check_part,
		             .user = (void *)(uintptr_t)file };
	itr_http_result r = { .reason = ITR_HTTP_INTERRUPTED };
	struct one one = { &job, &r, f->o->tick, f->o->begin ? f->o->begin(f->o->ctx, file->name) : NULL, false };
	int rc = make_client(f, err);
	if (rc == 0)
		rc = itr_http_run(f->client, &(itr_http_source){ &one, next_job, job_done, job_tick }, err);
	if (one.progress)
		f->o->end(one.progress);
	if (rc == 0 && r.reason != ITR_HTTP_OK)
		rc = (r.reason == ITR_HTTP_STATUS && r.status == 404) || r.reason == ITR_HTTP_FILE
		             ? 0
		             : itr_err_set(err, "cannot fetch '%s': %s", url, r.message);
	else if (rc == 0)
		rc = 1;
	if (rc == 0)
		itr_err_set(err, "cannot fetch '%s': %s", url, r.message);
	free(url);
	return rc;
}

/* Extracts a member of the model's zip to a temporary file, checks it and renames it. 1, or -1 with err. */
static int unzip(struct fetch *f, const itr_model_file *file, const char *path, itr_err *err)
{
	char *dir = itr_path_join(f->folder, ".unpacked"), *part = itr_path_join(dir, file->name);
	itr_annotations_report report = { 0 };
	itr_http_job job = { .user = (void *)(uintptr_t)file };
	char hex[ITR_SHA256_HEX];
	int rc = make_client(f, err);
	if (rc == 0)
		rc = itr_annotations_fetch(f->client, f->m->url, dir, &file->name, (const bool[]){ true }, 1, &report, err);
	if (rc == 0)
		rc = itr_sha256_file(part, hex, err);
	if (rc == 0 && contradicts(file, NULL, hex)[0])
		rc = itr_err_set(err, "'%s' of '%s': its sha256 is %s, not %s", file->name, f->m->url, hex, file->sha256);
	if (rc == 0)
		rc = check_part(&job, part, err);
	if (rc == 0 && rename(part, path) < 0)
		rc = itr_err_errno(err, "cannot rename '%s'", part);
	if (itr_path_remove_tree(dir, rc < 0 ? NULL : err) < 0)
		rc = -1;
	free(part);
	free(dir);
	return rc < 0 ? -1 : 1;
}

static void note(struct fetch *f, const itr_model_file *file, const itr_pin *pin, bool fetched, const char *checked)
{
	itr_json *j = itr_json_push((itr_json *)(uintptr_t)itr_json_get(f->report, "files"), itr_json_object());
	itr_json_add_str(j, "file", file->name);
	itr_json_add_int(j, "bytes", pin->bytes);
	itr_json_add_str(j, "sha256", pin->sha256);
	itr_json_add_bool(j, "fetched", fetched);
	itr_json_add_str(j, "checked", checked);
}

/* Checks an existing file against the recorded and the known hash. It is hashed only when it has no record or with `verify`. */
static int settle(struct fetch *f, const itr_model_file *file, const char *path, bool fetched, itr_err *err)
{
	const itr_pin *old = f->o->again ? NULL : itr_pins_find(f->pins, file->name);
	size_t known = strlen(file->sha256);
	const char *checked = known == 64 ? "known" : known ? "known prefix" : old ? "first download" : "recorded";
	itr_pin pin = { .bytes = itr_path_size(path) };
	if (old && old->bytes != pin.bytes)
		return itr_err_set(err, "'%s' has %lld bytes, when it was fetched it had %lld: remove it to fetch it again", path,
		                   (long long)pin.bytes, (long long)old->bytes);
	if (old && !fetched && !f->o->verify) {
		note(f, file, old, false, checked);
		return 0;
	}
	if (itr_sha256_file(path, pin.sha256, err) < 0)
		return -1;
	const char *right = contradicts(file, old, pin.sha256);
	if (right[0])
		return itr_err_set(err, "'%s': its sha256 is %s, not %s: remove it to fetch it again", path, pin.sha256, right);
	if (!fetched && !old && look(file, path, err) < 0)
		return -1;
	note(f, file, &pin, fetched, checked);
	return old ? 0 : itr_pins_add(f->pins, file->name, &pin, err);
}

/* 1: the file exists; 0: it is not available, with the reason in err; -1 with err. */
static int one_file(struct fetch *f, const itr_model_file *file, itr_err *err)
{
	char *path = path_of(f->folder, file), *dir = itr_path_dirname(path);
	const itr_pin *pin = f->o->again ? NULL : itr_pins_find(f->pins, file->name);
	bool fetched = f->o->again || !itr_path_exists(path);
	int rc = 1;
	if (fetched) {
		rc = itr_path_mkdirs(dir, err);
		if (rc == 0)
			rc = file->zipped && !f->o->base_url ? unzip(f, file, path, err) : download(f, file, pin, path, err);
	}
	if (rc == 1 && settle(f, file, path, fetched, err) < 0)
		rc = -1;
	free(dir);
	free(path);
	return rc;
}

static int all_files(struct fetch *f, itr_err *err)
{
	const itr_model_file *there = f->o->again ? NULL : weights_present(f->m, f->folder);
	bool have_weights = false;
	itr_err absent = ITR_ERR_INIT;
	for (int i = 0; i < f->m->n_files; i++) {
		const itr_model_file *file = &f->m->files[i];
		bool weights = file->need == ITR_MODEL_WEIGHTS;
		if ((weights && (have_weights || (there && file != there))) ||
		    (file->need == ITR_MODEL_EXTRA && f->complete && !present(f->folder, file)))
			continue;
		int rc = one_file(f, file, &absent);
		if (rc < 0 || (rc == 0 && file->need == ITR_MODEL_NEED))
			return itr_err_set(err, "%s", absent.msg);
		have_weights = have_weights || (weights && rc > 0);
	}
	return have_weights ? 0 : itr_err_set(err, "%s", absent.msg);   /* the error of the last alternative */
}

int itr_public_model_fetch(const itr_public_model *m, const char *folder, const itr_model_opts *o, itr_json **report, itr_err *err)
{
	struct fetch f = { .m = m, .folder = folder, .o = o };
	if (itr_path_mkdirs(folder, err) < 0 || !(f.pins = itr_pins_open(folder, err)))
		return -1;
	f.report = itr_json_object();
	f.complete = !o->again && itr_public_model_present(m, folder);
	itr_json_add_str(f.report, "model", m->name);
	itr_json_add_str(f.report, "folder", folder);
	itr_json_add_array(f.report, "files");
	int rc = all_files(&f, err);
	if (itr_pins_save(f.pins, rc < 0 ? NULL : err) < 0)     /* also the files downloaded before a failure */
		rc = -1;
	itr_pins_close(f.pins);
	itr_http_free(f.client);
	if (rc == 0 && report)
		*report = f.report;
	else
		itr_json_free(f.report);
	return rc;
}
