#include "train/data.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "train/network.h"
#include "train/recipe.h"

static int open_stored(itr_train_data *x, const char *path, const char *model, const itr_train_options *o, itr_provenance *p, itr_err *err)
{
	const size_t said = o->loop.max_memory ? o->loop.max_memory : ITR_MEMORY_OF_MACHINE,
		     max_memory = itr_recipe_find(model, false) ? said : 0;        /* closed forms hold all rows */
	itr_provenance_input_begin(p, path);            /* hashed while it is read */
	if (itr_network_data(&x->stored, path, o->split_sizes, &o->rule, o->loop.seed, max_memory, o->loop.threads, x->sizes, err) < 0)
		return -1;
	itr_provenance_input_end(p);
	x->d = &x->stored;
	const int64_t zeros = x->d->side[ITR_TEXT].zero_rows + x->d->side[ITR_IMAGE].zero_rows;
	if (zeros)
		itr_warn("%lld rows of '%s' are zero", (long long)zeros, path);
	if (itr_row_table_is_leaky(&x->d->table))
		itr_warn("split by caption: the same images are in several parts, so val and test figures are leaky");
	return 0;
}

static int open_manifest(itr_train_data *x, const char *path, const char *model, const itr_train_options *o, itr_provenance *p,
                         itr_err *err)
{
	const itr_model_config c = itr_train_options_model(o);
	itr_provenance_input(p, path);
	for (int side = 0; side < 2; side++)
		if (o->towers.weights[side])
			itr_provenance_input(p, o->towers.weights[side]);
	if (itr_finetune_open(&x->tuned, path, model, &c, &o->towers, err) < 0 ||
	    itr_finetune_check_batches(&x->tuned, o->loop.batch_size, o->loop.cache_chunk, err) < 0)
		return -1;
	memcpy(x->sizes, x->tuned.sizes, sizeof x->sizes);
	x->d = &x->tuned.data;
	return 0;
}

int itr_train_data_open(itr_train_data *x, const char *path, const char *model, bool towers, const itr_train_options *o, itr_provenance *p,
                        itr_err *err)
{
	const double began = itr_clock_now();
	memset(x, 0, sizeof *x);
	if ((towers ? open_manifest(x, path, model, o, p, err) : open_stored(x, path, model, o, p, err)) < 0) {
		itr_train_data_free(x);
		return -1;
	}
	for (int side = 0; side < 2; side++)
		if (itr_embeddings_alike(x->d, (itr_modality)side))
			itr_warn("the %s vectors of '%s' are all (nearly) the same: nothing can be learned from them",
			         itr_modality_names[side], path);
	x->read_seconds = itr_clock_now() - began;
	if (x->d->table.synthetic)
		itr_provenance_set_synthetic(p);
	return 0;
}

void itr_train_data_free(itr_train_data *x)
{
	itr_embeddings_free(&x->stored);
	itr_finetune_free(&x->tuned);
	memset(x, 0, sizeof *x);
}
