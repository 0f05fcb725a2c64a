/* Published weights by their hash: in the cache that fetch-model fills, and in Hugging Face's, whose files are links to blobs that are
 * called by their SHA-256. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "fetch/models.h"
#include "io/weights.h"
#include "search/weights.h"

enum { DEPTH = 4, MOST = 2000, HASHED = 16 };

struct hunt {
	const char *hash;
	char *found;
	int folders, hashed;            /* looked at; read whole */
};

/* Do the weights in this folder have the hash? A link into blobs says so by itself; another file is read. */
static bool holds(struct hunt *h, const char *folder)
{
	static const char *const usual[] = { "model.safetensors", "pytorch_model.bin" };
	bool yes = false;
	for (int i = 0; i < 2; i++) {
		char *path = itr_path_join(folder, usual[i]), target[4096], hash[ITR_SHA256_HEX];
		const bool there = itr_path_exists(path);
		const ssize_t n = there ? readlink(path, target, sizeof target - 1) : -1;
		if (n > 0) {
			target[n] = 0;
			yes = !strcmp(itr_path_basename(target), h->hash);
		} else if (there && h->hashed++ < HASHED) {
			yes = itr_sha256_file(path, hash, NULL) == 0 && !strcmp(hash, h->hash);
		}
		free(path);
		if (there)
			return yes;
	}
	return false;
}

static void look(struct hunt *h, const char *folder, int depth)
{
	if (h->folders++ > MOST)
		return;
	if (holds(h, folder)) {
		h->found = itr_xstrdup(folder);
		return;
	}
	DIR *d = depth > 0 ? opendir(folder) : NULL;
	for (struct dirent *e; d && !h->found && (e = readdir(d));) {
		char *path = e->d_name[0] == '.' || !strcmp(e->d_name, "blobs") ? NULL : itr_path_join(folder, e->d_name);
		if (path && itr_path_is_dir(path))
			look(h, path, depth - 1);
		free(path);
	}
	if (d)
		closedir(d);
}

/* $HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub; NULL when none is known. */
static char *hugging_face(void)
{
	const char *hub = getenv("HF_HUB_CACHE"), *home = getenv("HF_HOME"), *xdg = getenv("XDG_CACHE_HOME"), *user = getenv("HOME");
	if (hub && *hub)
		return itr_xstrdup(hub);
	if (home && *home)
		return itr_path_join(home, "hub");
	if (xdg && *xdg == '/')
		return itr_path_join(xdg, "huggingface/hub");
	return user && *user ? itr_path_join(user, ".cache/huggingface/hub") : NULL;
}

char *itr_lookup_find_weights(const char *hash, itr_err *err)
{
	struct hunt h = { .hash = hash };
	char *places[2] = { hash ? itr_cache_folder(NULL, NULL) : NULL, hash ? hugging_face() : NULL };
	for (int i = 0; i < 2 && !h.found; i++)
		if (places[i] && itr_path_is_dir(places[i]))
			look(&h, places[i], DEPTH);
	if (!h.found && hash)
		itr_err_set(err,
		            "the weights of the text encoder (SHA-256 %.16s...) are neither in '%s' nor in '%s': say where they are with "
		            "--text-weights PATH",
		            hash, places[0] ? places[0] : "-", places[1] ? places[1] : "-");
	else if (!h.found)
		itr_err_set(err, "the model does not say which weights its text encoder has (it was trained by an earlier version): say "
		                 "where they are with --text-weights PATH");
	free(places[0]);
	free(places[1]);
	return h.found;
}
