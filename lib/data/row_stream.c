#include "data/row_stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/mem.h"

/* Segments that the memory is cut into, and rows that a thread takes up at once: reading one is a system call of a microsecond where the
 * file is in memory, and as many milliseconds on a disk. */
enum { SEGMENTS = 8, PIECE = 64, MOST_THREADS = 16 };

/* A position of a segment and the row that is wanted there. */
struct wanted { int64_t row, at; };

typedef struct segment {
	int64_t number;                         /* of the epoch: positions number * size and on */
	int64_t n, next, done;                  /* positions that it has; those taken up; those read */
	int busy;                               /* threads at work on it */
	bool sorted;
	struct wanted *order;                   /* [size] by row */
} segment;

struct itr_row_stream {
	const itr_embeddings *e;
	itr_modality m;
	int64_t dim, size;                      /* of a row; positions of a segment */
	float *ring;                            /* SEGMENTS * size rows: position p lies at p % (SEGMENTS * size) */
	segment segment[SEGMENTS];              /* number % SEGMENTS */
	pthread_mutex_t lock;
	pthread_cond_t room, ready;             /* for the threads; for whoever waits */
	const int64_t *rows;
	int64_t n, opened;                      /* positions of this epoch; the next segment to be taken up */
	int64_t floor;                          /* the first segment that is still in use */
	bool ending;
	itr_err failure;
	pthread_t thread[MOST_THREADS];
	int n_threads;
};

static int by_row(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	return x->row != y->row ? (x->row > y->row) - (x->row < y->row) : (x->at > y->at) - (x->at < y->at);
}

static float *place(const itr_row_stream *s, int64_t position) { return s->ring + position % (SEGMENTS * s->size) * s->dim; }

const float *itr_row_stream_row(const itr_row_stream *s, int64_t position) { return place(s, position); }

static void sort_segment(const itr_row_stream *s, segment *g)
{
	for (int64_t i = 0; i < g->n; i++)
		g->order[i] = (struct wanted){ s->rows[g->number * s->size + i], g->number * s->size + i };
	qsort(g->order, (size_t)g->n, sizeof *g->order, by_row);
}

/* A row that is wanted twice (an image of several texts) is read once. */
static int read_piece(const itr_row_stream *s, const segment *g, int64_t first, int64_t n, itr_err *err)
{
	for (int64_t i = first; i < first + n; i++) {
		float *to = place(s, g->order[i].at);
		if (i > first && g->order[i].row == g->order[i - 1].row)
			memcpy(to, place(s, g->order[i - 1].at), (size_t)s->dim * sizeof *to);
		else if (itr_embeddings_read(s->e, s->m, &g->order[i].row, 1, to, err) < 0)
			return -1;
	}
	return 0;
}

/* The segment that has something to do, or NULL: one that is being read, else the next one if its place is free. */
static segment *find_work(itr_row_stream *s)
{
	if (s->failure.set)
		return NULL;
	for (int64_t k = s->floor; k < s->opened; k++) {
		segment *g = &s->segment[k % SEGMENTS];
		if (g->sorted && g->next < g->n)
			return g;
	}
	segment *g = &s->segment[s->opened % SEGMENTS];
	if (s->opened * s->size >= s->n || s->opened >= s->floor + SEGMENTS || g->busy)
		return NULL;
	*g = (segment){ .number = s->opened, .n = ITR_MIN(s->size, s->n - s->opened * s->size), .order = g->order };
	s->opened++;
	return g;
}

static void *work(void *ctx)
{
	itr_row_stream *s = ctx;
	pthread_mutex_lock(&s->lock);
	while (!s->ending) {
		segment *g = find_work(s);
		itr_err err = ITR_ERR_INIT;
		int64_t first = 0, n = 0;
		if (!g) {
			pthread_cond_wait(&s->room, &s->lock);
			continue;
		}
		const bool sort = !g->sorted;
		if (!sort) {
			first = g->next;
			n = ITR_MIN((int64_t)PIECE, g->n - first);
			g->next += n;
		}
		g->busy++;
		pthread_mutex_unlock(&s->lock);
		if (sort)
			sort_segment(s, g);
		const int rc = sort ? 0 : read_piece(s, g, first, n, &err);
		pthread_mutex_lock(&s->lock);
		g->busy--;
		g->done += n;
		g->sorted = true;
		if (rc < 0 && !s->failure.set)
			s->failure = err;
		if (sort || s->opened >= s->floor + SEGMENTS)
			pthread_cond_broadcast(&s->room);
		if (rc < 0 || g->done == g->n || s->n == 0)
			pthread_cond_broadcast(&s->ready);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static bool at_work(const itr_row_stream *s)
{
	for (int i = 0; i < SEGMENTS; i++)
		if (s->segment[i].busy)
			return true;
	return false;
}

void itr_row_stream_begin(itr_row_stream *s, const int64_t *rows, int64_t n, int64_t first)
{
	pthread_mutex_lock(&s->lock);
	s->n = 0;                                       /* nobody takes up more of the last epoch */
	s->opened = s->floor;
	while (at_work(s))
		pthread_cond_wait(&s->ready, &s->lock);
	s->rows = rows;
	s->n = n;
	s->opened = s->floor = first / s->size;
	for (int i = 0; i < SEGMENTS; i++)
		s->segment[i].number = -1;
	pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->lock);
}

int itr_row_stream_wait(itr_row_stream *s, int64_t at, int64_t b, itr_err *err)
{
	const int64_t first = at / s->size, last = (at + b - 1) / s->size;
	int rc = 0;
	if (b < 1 || at < 0 || last >= first + SEGMENTS)
		ITR_BUG("itr_row_stream_wait: positions %lld to %lld", (long long)at, (long long)(at + b));
	pthread_mutex_lock(&s->lock);
	if (first > s->floor) {
		s->floor = first;
		s->opened = ITR_MAX(s->opened, first);
		pthread_cond_broadcast(&s->room);
	}
	for (int64_t k = first; k <= last && rc == 0; k++) {
		const segment *g = &s->segment[k % SEGMENTS];
		while (!s->failure.set && !(g->number == k && g->done == g->n))
			pthread_cond_wait(&s->ready, &s->lock);
		if (s->failure.set)
			rc = itr_err_set(err, "%s", s->failure.msg);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

itr_row_stream *itr_row_stream_new(const itr_embeddings *e, itr_modality m, int64_t batch, size_t bytes, int threads)
{
	itr_row_stream *s = itr_xcalloc(1, sizeof *s);
	const int64_t dim = e->side[m].dim, row_bytes = dim * (int64_t)sizeof(float) + (int64_t)sizeof(struct wanted),
		      most = (int64_t)(bytes / (size_t)row_bytes) / SEGMENTS, least = (2 * batch + SEGMENTS - 2) / (SEGMENTS - 1);
	*s = (itr_row_stream){ .e = e, .m = m, .dim = dim, .size = ITR_MAX(ITR_MIN(most, e->table.n[ITR_TEXT] / SEGMENTS + 1), least) };
	s->ring = itr_aligned_alloc((size_t)(SEGMENTS * s->size * dim) * sizeof *s->ring);
	for (int i = 0; i < SEGMENTS; i++)
		s->segment[i].order = itr_xmalloc((size_t)s->size * sizeof *s->segment[i].order);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->room, NULL);
	pthread_cond_init(&s->ready, NULL);
	for (; s->n_threads < ITR_MIN(itr_threads_resolve(threads), MOST_THREADS); s->n_threads++)
		if (pthread_create(&s->thread[s->n_threads], NULL, work, s) != 0)
			break;
	if (s->n_threads == 0)
		ITR_BUG("itr_row_stream_new: no thread can be started");
	return s;
}

void itr_row_stream_free(itr_row_stream *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->lock);
	for (int i = 0; i < s->n_threads; i++)
		pthread_join(s->thread[i], NULL);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->room);
	pthread_cond_destroy(&s->ready);
	for (int i = 0; i < SEGMENTS; i++)
		free(s->segment[i].order);
	itr_aligned_free(s->ring);
	free(s);
}
