/* models.h - downloads published models by name into a folder of the cache, once. The table is models.def.
 *
 * A downloaded file is renamed to its name after its hash equals the known one (or that of its first download, when none is known) and it
 * can be opened as weights or JSON. FOLDER/checksums.jsonl has the size and SHA-256 of each file (pins.h).
 */
#ifndef ITR_FETCH_MODELS_H
#define ITR_FETCH_MODELS_H

#include "io/json.h"
#include "net/http_client.h"

typedef enum { ITR_MODEL_NEED, ITR_MODEL_EXTRA, ITR_MODEL_WEIGHTS } itr_model_need;

typedef struct itr_model_file {
	const char *name;               /* path relative to the folder */
	const char *sha256;             /* 64 digits, the first 8, or "" */
	itr_model_need need;            /* NEED: required; EXTRA: optional; WEIGHTS: the first of several that exists */
	bool zipped;                    /* it is a member of the zip at the model's URL */
} itr_model_file;

typedef struct itr_public_model {
	const char *name, *url, *what, *licence;
	const itr_model_file *files;
	int n_files;
} itr_public_model;

int itr_public_models(void);                                    /* number of models in the table */
const itr_public_model *itr_public_model_at(int i);
/* NULL with err, which gives the nearest name. */
const itr_public_model *itr_public_model_find(const char *name, itr_err *err);

/* The cache folder: the first that is set of `option`, $ITR_CACHE, $XDG_CACHE_HOME/itr, ~/.cache/itr. The caller frees; NULL with err when
 * none is set. */
char *itr_cache_folder(const char *option, itr_err *err);
/* True when all files of the model are in the folder. */
bool itr_public_model_present(const itr_public_model *m, const char *folder);

typedef struct itr_model_opts {
	itr_http_opts http;
	const char *base_url;           /* URL of a folder with its files, unzipped, instead of the model's URL; NULL: the model's */
	bool verify;                    /* hash existing files again */
	bool again;                     /* download existing files again; a new file replaces the old one after its check */
	void *(*begin)(void *ctx, const char *what);            /* progress of one file; may be NULL */
	void (*tick)(void *progress, int64_t received);
	void (*end)(void *progress);
	void *ctx;
} itr_model_opts;

/* Downloads the missing files into the folder; a file with the recorded size is not requested. 0, or -1 with err when a file is not
 * available, its hash differs or it cannot be read; files downloaded before stay. *report (report may be NULL; the caller frees) =
 * {"model","folder","files":[{"file","bytes","sha256","fetched","checked"}]}. "checked" tells with which hash it was compared: "known",
 * "known prefix", "first download" (an earlier one), or "recorded" (this is the first). */
ITR_MUST_USE int itr_public_model_fetch(const itr_public_model *m, const char *folder, const itr_model_opts *o, itr_json **report,
                                        itr_err *err);

#endif
