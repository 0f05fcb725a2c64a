/* models.h - published models by name: their files, fetched once into a folder of the cache, checked, and never again. The table is
 * models.def.
 *
 * A file gets its name only after its hash is the known one (or, where none is known, the one of its first download), and after it could be
 * opened as what it is: weights as weights, JSON as JSON. FOLDER/checksums.jsonl keeps size and SHA-256 of each (pins.h).
 */
#ifndef ITR_FETCH_MODELS_H
#define ITR_FETCH_MODELS_H

#include "io/json.h"
#include "net/http_client.h"

typedef enum { ITR_MODEL_NEED, ITR_MODEL_EXTRA, ITR_MODEL_WEIGHTS } itr_model_need;

typedef struct itr_model_file {
	const char *name;               /* below the folder; may hold a slash */
	const char *sha256;             /* 64 digits, the first 8, or "" */
	itr_model_need need;            /* EXTRA: its absence is no error; WEIGHTS: of several the first that is there */
	bool zipped;                    /* the model's URL is a zip that holds it */
} itr_model_file;

typedef struct itr_public_model {
	const char *name, *url, *what, *licence;
	const itr_model_file *files;
	int n_files;
} itr_public_model;

int itr_public_models(void);
const itr_public_model *itr_public_model_at(int i);
/* NULL with err, which names the nearest. */
const itr_public_model *itr_public_model_find(const char *name, itr_err *err);

/* The cache: `option`, or $ITR_CACHE, $XDG_CACHE_HOME/itr, ~/.cache/itr, whichever is set first. The caller frees; NULL with err when none
 * is. */
char *itr_cache_folder(const char *option, itr_err *err);
/* Are all files there that fetching would bring? */
bool itr_public_model_present(const itr_public_model *m, const char *folder);

typedef struct itr_model_opts {
	itr_http_opts http;
	const char *base_url;           /* instead of the model's: a folder that holds its files, unzipped; NULL */
	bool verify;                    /* hash again what is there */
	bool again;                     /* fetch again what is there; the new file replaces the old one once it is whole and checked */
	void *(*begin)(void *ctx, const char *what);            /* progress of one file: may be NULL */
	void (*tick)(void *progress, int64_t received);
	void (*end)(void *progress);
	void *ctx;
} itr_model_opts;

/* Fills the folder. What is there with the recorded size is kept without a request. 0, or -1 with err: what cannot be had, a hash that
 * differs, a file that cannot be read; files that came before stay. `report` (may be NULL) gets
 * {"model","folder","files":[{"file","bytes","sha256","fetched","checked"}]}; "checked" says against what: "known", "known prefix", "first
 * download" (an earlier one), or "recorded" (this one is the first). */
ITR_MUST_USE int itr_public_model_fetch(const itr_public_model *m, const char *folder, const itr_model_opts *o, itr_json **report,
                                        itr_err *err);

#endif
