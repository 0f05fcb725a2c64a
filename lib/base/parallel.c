#include "base/parallel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"

#define MAX_WORKERS 1023                /* without the caller: the limit of itr_threads_resolve and of a count in `state` */
#define SPIN_SECONDS 100e-6             /* a waiting thread spins that long before it sleeps */

/* `state` is one word, so that joining, leaving and closing a loop are each one atomic step:
 * bits 0-10 workers inside, 11-21 workers that have joined, 22-32 how many may, 33 open, 34.. number of the loop. */
#define INSIDE(s)  ((int)((s) & 0x7ff))
#define JOINED(s)  ((int)((s) >> 11 & 0x7ff))
#define ALLOWED(s) ((int)((s) >> 22 & 0x7ff))
#define ONE_INSIDE ((uint64_t)1)
#define ONE_JOINED ((uint64_t)1 << 11)
#define OPEN       ((uint64_t)1 << 33)
#define LOOP(s)    ((s) >> 34)
#define STATE(loop, allowed) ((uint64_t)(loop) << 34 | OPEN | (uint64_t)(allowed) << 22)

typedef struct team {
	/* written by the caller between two loops, read by workers that have joined: one cache line with `state`, which they read anyway */
	_Alignas(64) _Atomic uint64_t state;
	void (*fn)(void *ctx, int64_t i, int worker);
	void *ctx;
	int64_t n;
	_Alignas(64) _Atomic int64_t next;      /* the next piece */
	_Alignas(64) _Atomic int sleepers;      /* workers that sleep, or are about to: they check `state` again once counted */
	_Atomic bool caller_sleeps;
	_Atomic bool over;                      /* the calling thread ends; its workers then end, too */
	int workers;
	pthread_mutex_t mutex;
	pthread_cond_t work, done;
	pthread_t thread[MAX_WORKERS];
} team;

static _Thread_local bool inside_piece;         /* this thread runs a piece: loops inside it are serial */
static _Thread_local team *own;
static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Spins until ready(t, arg) is true or SPIN_SECONDS are over; returns the last result of ready. It reads the clock only every 64th time,
 * because that costs more than a call of ready. */
static bool spin(team *t, bool (*ready)(team *t, uint64_t arg), uint64_t arg)
{
	double begin = 0;
	for (int i = 1;; i++) {
		if (ready(t, arg))
			return true;
		relax();
		if (i % 64 == 0) {
			double now = itr_clock_now();
			if (begin == 0)
				begin = now;
			else if (now - begin > SPIN_SECONDS)
				return false;
		}
	}
}

static void run_pieces(team *t, int worker)
{
	void (*fn)(void *, int64_t, int) = t->fn;
	void *ctx = t->ctx;
	int64_t n = t->n, i;
	inside_piece = true;
	while ((i = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed)) < n)
		fn(ctx, i, worker);
	inside_piece = false;
}

/* --- a worker ------------------------------------------------------------------------------------------------------------------------- */

static bool can_join(uint64_t s, uint64_t seen) { return LOOP(s) != seen && (s & OPEN) && JOINED(s) < ALLOWED(s); }
static bool has_work(team *t, uint64_t seen)
{
	return can_join(atomic_load_explicit(&t->state, memory_order_acquire), seen) ||
	       atomic_load_explicit(&t->over, memory_order_relaxed);
}

static void wait_for_work(team *t, uint64_t seen)
{
	if (spin(t, has_work, seen))
		return;
	pthread_mutex_lock(&t->mutex);
	/* before `state` is read, which the caller writes before it reads `sleepers` */
	atomic_fetch_add(&t->sleepers, 1);
	while (!can_join(atomic_load(&t->state), seen) && !atomic_load(&t->over))
		pthread_cond_wait(&t->work, &t->mutex);
	atomic_fetch_sub(&t->sleepers, 1);
	pthread_mutex_unlock(&t->mutex);
}

static void leave(team *t)
{
	uint64_t before = atomic_fetch_sub(&t->state, ONE_INSIDE);
	if (INSIDE(before) == 1 && !(before & OPEN) && atomic_load(&t->caller_sleeps)) {
		pthread_mutex_lock(&t->mutex);
		pthread_cond_signal(&t->done);
		pthread_mutex_unlock(&t->mutex);
	}
}

static void *work(void *arg)
{
	team *t = arg;
	uint64_t seen = 0;                              /* number of the loop that this worker joined last; it joins each loop once */
	for (;;) {
		wait_for_work(t, seen);
		if (atomic_load(&t->over))
			return NULL;
		uint64_t s = atomic_load(&t->state);
		while (can_join(s, seen))
			if (atomic_compare_exchange_weak(&t->state, &s, s + ONE_INSIDE + ONE_JOINED)) {
				seen = LOOP(s);
				run_pieces(t, JOINED(s) + 1);
				leave(t);
				break;
			}
	}
}

/* --- the calling thread --------------------------------------------------------------------------------------------------------------- */

static void end_team(void *arg)
{
	team *t = arg;
	pthread_mutex_lock(&t->mutex);
	atomic_store(&t->over, true);
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->mutex);
	for (int i = 0; i < t->workers; i++)
		pthread_join(t->thread[i], NULL);
	pthread_mutex_destroy(&t->mutex);
	pthread_cond_destroy(&t->work);
	pthread_cond_destroy(&t->done);
	own = NULL;
	itr_aligned_free(t);
}
static void make_key(void) { pthread_key_create(&key, end_team); }

/* A child made by fork has none of its parent's workers. */
static void forget_in_child(void) { own = NULL; }
static void watch_forks(void)
{
	make_key();
	pthread_atfork(NULL, NULL, forget_in_child);
}

static team *own_team(int workers)
{
	if (!own) {
		pthread_once(&key_once, watch_forks);
		own = itr_aligned_calloc(sizeof *own);
		pthread_mutex_init(&own->mutex, NULL);
		pthread_cond_init(&own->work, NULL);
		pthread_cond_init(&own->done, NULL);
		pthread_setspecific(key, own);
	}
	if (own->workers < workers) {
		sigset_t all, before;                   /* workers block all signals; the program's own threads handle them */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		while (own->workers < workers && pthread_create(&own->thread[own->workers], NULL, work, own) == 0)
			own->workers++;
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	return own;
}

static bool all_left(team *t, uint64_t unused) { (void)unused; return INSIDE(atomic_load_explicit(&t->state, memory_order_acquire)) == 0; }

/* After this no worker joins the loop; those inside finish their piece. */
static void close_and_wait(team *t)
{
	atomic_fetch_and(&t->state, ~OPEN);
	if (spin(t, all_left, 0))
		return;
	pthread_mutex_lock(&t->mutex);
	atomic_store(&t->caller_sleeps, true);
	while (INSIDE(atomic_load(&t->state)) > 0)
		pthread_cond_wait(&t->done, &t->mutex);
	atomic_store(&t->caller_sleeps, false);
	pthread_mutex_unlock(&t->mutex);
}

void itr_parallel_for(int threads, int64_t n, void (*fn)(void *ctx, int64_t i, int worker), void *ctx)
{
	int workers = n <= 1 || inside_piece ? 0 : (int)ITR_MIN((int64_t)itr_threads_resolve(threads), n) - 1;
	team *t = workers > 0 ? own_team(ITR_MIN(workers, MAX_WORKERS)) : NULL;
	if (!t || t->workers == 0) {
		for (int64_t i = 0; i < n; i++)
			fn(ctx, i, 0);
		return;
	}
	t->fn = fn;
	t->ctx = ctx;
	t->n = n;
	atomic_store_explicit(&t->next, 0, memory_order_relaxed);
	uint64_t loop = LOOP(atomic_load_explicit(&t->state, memory_order_relaxed)) + 1;
	workers = ITR_MIN(workers, t->workers);
	atomic_store(&t->state, STATE(loop, workers));
	if (atomic_load(&t->sleepers) > 0) {
		pthread_mutex_lock(&t->mutex);
		for (int i = 0; i < workers; i++) /* wakes at most as many as may join */
			pthread_cond_signal(&t->work);
		pthread_mutex_unlock(&t->mutex);
	}
	run_pieces(t, 0);
	close_and_wait(t);
}
