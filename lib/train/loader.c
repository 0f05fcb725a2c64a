#include "train/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

struct itr_loader {
	const itr_image_text_set *set;
	const itr_preset *preset;
	itr_augment augment;
	uint64_t seed, epoch;
	int64_t capacity;
	size_t bytes;                           /* of one picture */
	uint8_t *ring;                          /* position p lies at p % capacity */
	bool *done;
	pthread_mutex_t lock;
	pthread_cond_t room, ready;             /* for the threads; for the step */
	const int64_t *texts;
	int64_t n, next, floor;                 /* positions of this epoch; the next to be taken up; the first that is still in use */
	int working;
	bool ending;
	itr_err failure;
	pthread_t *threads;
	int n_threads;
};

static int load(itr_loader *l, int64_t text, uint64_t epoch, uint8_t *pixels, itr_err *err)
{
	const int64_t image = l->set->table.text_image[text];
	itr_image img, crop;
	itr_augment_draw d;
	if (itr_image_text_set_picture(l->set, image, 0, &img, err) < 0)
		return -1;
	itr_augment_sample(&l->augment, img.width, img.height, l->seed, epoch, (uint64_t)text,
	                   !itr_caption_has_side(l->set->table.caption[text]), &d);
	const int rc = itr_augment_apply(&l->augment, &d, l->preset, &img, &crop, err);
	if (rc == 0) {
		memcpy(pixels, crop.rgb, l->bytes);
		itr_image_free(&crop);
	}
	itr_image_free(&img);
	return rc;
}

/* One position after another, while there is room for them. */
static void *work(void *ctx)
{
	itr_loader *l = ctx;
	pthread_mutex_lock(&l->lock);
	while (!l->ending) {
		if (l->next >= l->n || l->next >= l->floor + l->capacity || l->failure.set) {
			pthread_cond_wait(&l->room, &l->lock);
			continue;
		}
		const int64_t at = l->next++, text = l->texts[at], slot = at % l->capacity;
		const uint64_t epoch = l->epoch;
		itr_err err = ITR_ERR_INIT;
		l->working++;
		pthread_mutex_unlock(&l->lock);
		const int rc = load(l, text, epoch, l->ring + (size_t)slot * l->bytes, &err);
		pthread_mutex_lock(&l->lock);
		l->working--;
		l->done[slot] = true;
		if (rc < 0 && !l->failure.set) {
			itr_err_set(&l->failure, "image '%s': %s", l->set->table.id[ITR_IMAGE][l->set->table.text_image[text]],
			            err.msg);
		}
		pthread_cond_broadcast(&l->ready);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

itr_loader *itr_loader_new(const itr_image_text_set *set, const itr_preset *preset, const itr_augment *augment, uint64_t seed,
                           int64_t capacity, int threads)
{
	itr_loader *l = itr_xcalloc(1, sizeof *l);
	*l = (itr_loader){ .set = set,
		           .preset = preset,
		           .augment = *augment,
		           .seed = seed,
		           .capacity = capacity,
		           .bytes = (size_t)preset->crop * (size_t)preset->crop * 3 };
	l->ring = itr_xmalloc((size_t)capacity * l->bytes);
	l->done = itr_xcalloc((size_t)capacity, sizeof *l->done);
	l->threads = itr_xcalloc((size_t)threads, sizeof *l->threads);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->room, NULL);
	pthread_cond_init(&l->ready, NULL);
	for (; l->n_threads < threads; l->n_threads++)
		if (pthread_create(&l->threads[l->n_threads], NULL, work, l) != 0)
			break;
	if (l->n_threads == 0)
		ITR_BUG("itr_loader_new: no thread can be started");
	return l;
}

void itr_loader_free(itr_loader *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->ending = true;
	pthread_cond_broadcast(&l->room);
	pthread_mutex_unlock(&l->lock);
	for (int i = 0; i < l->n_threads; i++)
		pthread_join(l->threads[i], NULL);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->room);
	pthread_cond_destroy(&l->ready);
	free(l->threads);
	free(l->done);
	free(l->ring);
	free(l);
}

void itr_loader_epoch(itr_loader *l, const int64_t *texts, int64_t n, uint64_t epoch, int64_t first)
{
	pthread_mutex_lock(&l->lock);
	l->n = 0;                                       /* nobody takes up more of the last epoch */
	while (l->working)
		pthread_cond_wait(&l->ready, &l->lock);
	l->texts = texts;
	l->epoch = epoch;
	l->n = n;
	l->next = l->floor = first;
	memset(l->done, 0, (size_t)l->capacity * sizeof *l->done);
	pthread_cond_broadcast(&l->room);
	pthread_mutex_unlock(&l->lock);
}

int itr_loader_wait(itr_loader *l, int64_t at, int64_t b, itr_err *err)
{
	int rc = 0;
	if (b > l->capacity)
		ITR_BUG("itr_loader_wait: %lld positions in a ring of %lld", (long long)b, (long long)l->capacity);
	pthread_mutex_lock(&l->lock);
	for (; l->floor < at; l->floor++)
		l->done[l->floor % l->capacity] = false;
	pthread_cond_broadcast(&l->room);
	for (int64_t p = at; p < at + b && rc == 0; p++) {
		while (!l->done[p % l->capacity] && !l->failure.set)
			pthread_cond_wait(&l->ready, &l->lock);
		if (l->failure.set)
			rc = itr_err_set(err, "%s", l->failure.msg);
	}
	pthread_mutex_unlock(&l->lock);
	return rc;
}

const uint8_t *itr_loader_pixels(const itr_loader *l, int64_t position) { return l->ring + (size_t)(position % l->capacity) * l->bytes; }

int itr_loader_plain(const itr_image_text_set *set, const itr_preset *preset, int64_t image, float *out, itr_err *err)
{
	itr_image img;
	if (itr_image_text_set_picture(set, image, 0, &img, err) < 0)
		return itr_err_prefix(err, "image '%s': ", set->table.id[ITR_IMAGE][image]);
	const int rc = itr_preset_apply(preset, &img, out, err);
	itr_image_free(&img);
	return rc < 0 ? itr_err_prefix(err, "image '%s': ", set->table.id[ITR_IMAGE][image]) : 0;
}
