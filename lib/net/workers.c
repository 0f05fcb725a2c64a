#include "net/workers.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

typedef struct ring {
	void **v;
	int first, n;
} ring;

struct itr_workers {
	pthread_mutex_t lock;
	pthread_cond_t more;
	ring todo, ready;
	int capacity, n_threads;
	bool ending;
	pthread_t *threads;
	void (*work)(void *item);
	void (*wake)(void *ctx);
	void *ctx;
};

static void ring_put(ring *r, int capacity, void *item)
{
	if (r->n == capacity)
		ITR_BUG("more than %d items in the workers' queue", capacity);
	r->v[(r->first + r->n++) % capacity] = item;
}

static void *ring_get(ring *r, int capacity)
{
	if (!r->n)
		return NULL;
	void *item = r->v[r->first];
	r->first = (r->first + 1) % capacity;
	r->n--;
	return item;
}

static void *run(void *ctx)
{
	itr_workers *w = ctx;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->todo.n && !w->ending)
			pthread_cond_wait(&w->more, &w->lock);
		void *item = ring_get(&w->todo, w->capacity);
		if (!item)
			break;
		pthread_mutex_unlock(&w->lock);
		w->work(item);
		pthread_mutex_lock(&w->lock);
		ring_put(&w->ready, w->capacity, item);
		w->wake(w->ctx);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

itr_workers *itr_workers_new(int threads, int capacity, void (*work)(void *item), void (*wake)(void *ctx), void *ctx)
{
	itr_workers *w = itr_xcalloc(1, sizeof *w);
	w->capacity = capacity;
	w->work = work;
	w->wake = wake;
	w->ctx = ctx;
	w->todo.v = itr_xcalloc((size_t)capacity, sizeof *w->todo.v);
	w->ready.v = itr_xcalloc((size_t)capacity, sizeof *w->ready.v);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	w->threads = itr_xcalloc((size_t)threads, sizeof *w->threads);
	while (w->n_threads < threads && pthread_create(&w->threads[w->n_threads], NULL, run, w) == 0)
		w->n_threads++;
	if (!w->n_threads)
		ITR_BUG("no thread could be started");
	return w;
}

void itr_workers_push(itr_workers *w, void *item)
{
	pthread_mutex_lock(&w->lock);
	ring_put(&w->todo, w->capacity, item);
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

void *itr_workers_take(itr_workers *w)
{
	pthread_mutex_lock(&w->lock);
	void *item = ring_get(&w->ready, w->capacity);
	pthread_mutex_unlock(&w->lock);
	return item;
}

void itr_workers_free(itr_workers *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	for (int i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->more);
	free(w->threads);
	free(w->todo.v);
	free(w->ready.v);
	free(w);
}
