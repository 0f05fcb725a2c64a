/* bench_search - exact top 10 over N x 512 against the libraries that a user would pick instead: one JSON line a case on stdout.
 *
 *	make bench-search                                             without peers: ratio is null
 *	PEERS_PYTHON=venv/bin/python ITR_SHARED=../shared make bench-search
 *
 * {"case","ours","peer","ratio","limit","kernel",...}: queries a second, medians; `limit` is what memory bandwidth (batch 1) or the
 * multiply-add peak (batch 256), measured in the same minute, would allow. Environment: BENCH_N (1000000), BENCH_THREADS (2), BENCH_SECONDS
 * a case (3), PEERS_DIR (scratch; default peers-data), BENCH_CASES (words to match, such as "int8").
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/path.h"
#include "base/proc.h"
#include "io/json.h"
#include "limits.h"
#include "retrieval/topk.h"

enum { DIM = 512, QUERIES = 256, K = 10 };

struct bench {
	int64_t n;
	int threads;
	double seconds;
	const float *x, *queries;
	float *own_x, *own_queries;
	itr_hit *truth;                 /* fp32's hits of the 256 queries */
	double gbs;
	itr_gallery *own_int8;          /* what int4 is measured against too; packed on first use */
	const char *python, *script, *dir;
};

static double env_number(const char *name, double otherwise)
{
	const char *s = getenv(name);
	return s && *s ? atof(s) : otherwise;
}

/* --- threads -------------------------------------------------------------------------------------------------------------------------- */

static void nothing(void *ctx, int64_t i, int worker) { (void)ctx; (void)i; (void)worker; }

/* Each thread on a processor of its own (or none: what is started next inherits this thread's). Under real-time priority, which quiet
 * figures are taken with, Linux may leave two threads on one processor for seconds, where the one that waits starves the one that works. */
static void bind_threads(int threads, bool on)
{
	cpu_set_t all, one;
	static cpu_set_t allowed;
	static bool known;
	if (!known && sched_getaffinity(0, sizeof allowed, &allowed) < 0)
		return;
	known = true;
	all = allowed;
	itr_parallel_for(threads, threads, nothing, NULL);         /* they exist */
	DIR *d = opendir("/proc/self/task");
	int cpu = -1;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		do
			cpu = (cpu + 1) % CPU_SETSIZE;
		while (!CPU_ISSET(cpu, &allowed));
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		(void)sched_setaffinity(atoi(e->d_name), sizeof one, on ? &one : &all);
	}
	if (d)
		closedir(d);
}

/* --- data: the peers' own files, or the same kind of vectors made here ---------------------------------------------------------------- */

static const float *map_npy(const char *path, int64_t rows)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(path);
		exit(1);
	}
	const unsigned char *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	size_t head = p == MAP_FAILED ? 0 : 10 + p[8] + 256u * p[9];
	if (!head || (size_t)st.st_size < head + (size_t)rows * DIM * sizeof(float)) {
		fprintf(stderr, "bench_search: '%s' is not %lld x %d float32\n", path, (long long)rows, DIM);
		exit(1);
	}
	return (const float *)(const void *)(p + head);
}

struct maker { float *x; const float *latent; uint64_t seed; };

static float noise(uint64_t *s)        /* sum of four uniforms: near enough to a normal, and fast */
{
	uint64_t v = itr_mix64(++*s);
	float t = 0;
	for (int i = 0; i < 4; i++)
		t += (float)(v >> (16 * i) & 0xffff);
	return (t / 65536 - 2) * 1.7320508f;
}

static void make_row(void *ctx, int64_t row, int worker)
{
	struct maker *m = ctx;
	uint64_t s = m->seed ^ itr_mix64((uint64_t)row);
	float *x = m->x + row * DIM, z[32];
	double sum = 0;
	(void)worker;
	for (int i = 0; i < 32; i++)
		z[i] = noise(&s);
	for (int d = 0; d < DIM; d++)
		x[d] = noise(&s) * 1.98f;
	for (int i = 0; i < 32; i++)
		for (int d = 0; d < DIM; d++)
			x[d] += z[i] * m->latent[i * DIM + d];
	for (int d = 0; d < DIM; d++)
		sum += (double)x[d] * x[d];
	for (int d = 0; d < DIM; d++)
		x[d] = (float)(x[d] / __builtin_sqrt(sum));
}

static void make_data(struct bench *b)
{
	static float latent[32 * DIM];
	uint64_t s = 42;
	for (int i = 0; i < 32 * DIM; i++)
		latent[i] = noise(&s);
	b->own_x = itr_aligned_alloc((size_t)b->n * DIM * sizeof(float));
	b->own_queries = itr_aligned_alloc((size_t)QUERIES * DIM * sizeof(float));
	itr_parallel_for(0, b->n, make_row, &(struct maker){ b->own_x, latent, 1 });
	itr_parallel_for(0, QUERIES, make_row, &(struct maker){ b->own_queries, latent, (uint64_t)1 << 40 });
	b->x = b->own_x;
	b->queries = b->own_queries;
}

static void open_data(struct bench *b)
{
	char n[32], d[32];
	itr_err err = ITR_ERR_INIT;
	if (!b->python) {
		make_data(b);
		return;
	}
	snprintf(n, sizeof n, "%lld", (long long)b->n);
	snprintf(d, sizeof d, "%d", DIM);
	char *folder = itr_xasprintf("%s/data", b->dir);
	const char *argv[] = { b->python, "tests/bench/search_data.py", folder, n, d, NULL };
	if (itr_proc_run(argv, NULL, NULL, 0, &err) < 0) {
		fprintf(stderr, "bench_search: %s\n", err.msg);
		exit(1);
	}
	char *x = itr_xasprintf("%s/vec_lowrank_%s_%d.npy", folder, n, DIM),
	     *q = itr_xasprintf("%s/queries_lowrank_%s_%d.npy", folder, n, DIM);
	b->x = map_npy(x, b->n);
	b->queries = map_npy(q, QUERIES);
	free(folder);
	free(x);
	free(q);
}

/* --- peers ---------------------------------------------------------------------------------------------------------------------------- */

/* Queries a second of a peer at this batch size, median, run now; 0 without peers or when it failed. "faiss_flat@1": with one thread. */
static double peer_qps(const struct bench *b, const char *method, int batch, double *recall)
{
	char name[64], n[32], threads[16], size[16], path[32];
	itr_err err = ITR_ERR_INIT;
	*recall = 0;
	if (!b->python)
		return 0;
	snprintf(name, sizeof name, "%s", method);
	snprintf(n, sizeof n, "%lld", (long long)b->n);
	snprintf(size, sizeof size, "%d", batch);
	char *one = strstr(name, "@1");
	snprintf(threads, sizeof threads, "%d", one ? 1 : b->threads);
	if (one)
		*one = 0;
	const char *argv[] = { b->python, "tests/bench/run_peer.py",
		               b->script, "--n",
		               n,         "--threads",
		               threads,   "--methods",
		               name,      "--batches",
		               size,      "--json",
		               NULL };
	char *out = itr_xcalloc(1, 1 << 16);
	bind_threads(b->threads, false);
	itr_json *j = itr_proc_run(argv, NULL, out, (1 << 16) - 1, &err) < 0 ? NULL : itr_json_parse(out, strlen(out), name, &err);
	bind_threads(b->threads, true);
	const itr_json *row = itr_json_at(itr_json_get(j, "rows"), 0);
	snprintf(path, sizeof path, "b%d", batch);
	double qps = itr_json_num(itr_json_get(itr_json_get(row, path), "qps_median"), 0);
	*recall = itr_json_num(itr_json_get(row, "recall10"), 0);
	if (qps <= 0)
		fprintf(stderr, "bench_search: peer %s: %s\n", method, j ? itr_json_str(itr_json_get(row, "error"), "no figure") : err.msg);
	itr_json_free(j);
	free(out);
	return qps;
}

/* --- ours ----------------------------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

enum { MOST = 800 };
struct figure { double t[MOST], median, best, worst, recall; int runs; };

/* Adds runs of half the time of a case: one half before the peer, one behind it, so that both see the same machine. */
static void measure(const struct bench *b, const itr_gallery *g, int batch, int64_t rescore, struct figure *f)
{
	itr_hit *hits = itr_xmalloc(QUERIES * K * sizeof *hits);
	itr_search_opts o = { .rescore = rescore, .threads = b->threads };
	double end = itr_clock_now() + b->seconds / 2, sorted[MOST];
	int first = f->runs, most = ITR_MIN(MOST, first + MOST / 2);
	for (int i = 0; (itr_clock_now() < end && f->runs < most) || f->runs < first + 3; i++) {
		const float *q = b->queries + (batch == 1 ? i % QUERIES : 0) * DIM;
		double s = itr_clock_now();
		if (itr_topk_search(g, q, batch, K, hits, &o, NULL) < 0)
			exit(1);
		if (i)                                               /* the first is the warm-up */
			f->t[f->runs++] = itr_clock_now() - s;
	}
	memcpy(sorted, f->t, (size_t)f->runs * sizeof *sorted);
	qsort(sorted, (size_t)f->runs, sizeof *sorted, by_value);
	f->median = batch / sorted[f->runs / 2];
	f->best = batch / sorted[0];
	f->worst = batch / sorted[f->runs * 9 / 10];
	if (itr_topk_search(g, b->queries, QUERIES, K, hits, &o, NULL) < 0)
		exit(1);
	f->recall = 0;
	for (int i = 0; i < QUERIES * K; i++)
		for (int j = 0; j < K; j++)
			f->recall += (hits[i].row == b->truth[i / K * K + j].row) / (double)(QUERIES * K);
	free(hits);
}

#define OWN_INT8 "itr_int8"

struct bench_case {
	const char *name;
	itr_precision precision;
	int batch;
	int64_t rescore;
	itr_copy copy;
	int peak;                       /* LIMIT_READ: bytes over bandwidth */
	const char *peers[4];
};

/* Binary keeps 600 candidates: on this data as many as lift its recall to that of RaBitQ with refinement. */
static const struct bench_case cases[] = {
	{ "fp32 batch 1", ITR_PREC_FP32, 1, 0, ITR_COPY_NONE, LIMIT_READ, { "faiss_flat@1", "faiss_flat" } },
	{ "fp32 batch 256", ITR_PREC_FP32, 256, 0, ITR_COPY_NONE, LIMIT_FMA, { "faiss_flat" } },
	{ "fp16 batch 1", ITR_PREC_FP16, 1, 0, ITR_COPY_NONE, LIMIT_READ, { "faiss_fp16" } },
	{ "fp16 batch 256", ITR_PREC_FP16, 256, 0, ITR_COPY_NONE, LIMIT_FMA, { "faiss_fp16" } },
	{ "bf16 batch 1", ITR_PREC_BF16, 1, 0, ITR_COPY_NONE, LIMIT_READ, { "torch_bf16" } },
	{ "bf16 batch 256", ITR_PREC_BF16, 256, 0, ITR_COPY_NONE, LIMIT_BF16, { "torch_bf16" } },
	{ "int8 batch 1", ITR_PREC_INT8, 1, 0, ITR_COPY_NONE, LIMIT_READ, { "faiss_sq8", "numkong_i8" } },
	{ "int8 batch 256", ITR_PREC_INT8, 256, 0, ITR_COPY_NONE, LIMIT_INT8, { "faiss_sq8", "numkong_i8" } },
	{ "int8 + rescore 100 batch 256", ITR_PREC_INT8, 256, 100, ITR_COPY_BORROW, LIMIT_INT8, { "faiss_ivfsq8" } },
	{ "int4 batch 1", ITR_PREC_INT4, 1, 0, ITR_COPY_NONE, LIMIT_READ, { "faiss_sq4", OWN_INT8 } },
	{ "int4 batch 256", ITR_PREC_INT4, 256, 0, ITR_COPY_NONE, LIMIT_INT8, { "faiss_sq4" } },
	{ "binary batch 1", ITR_PREC_BINARY, 1, 0, ITR_COPY_NONE, LIMIT_READ, { NULL } },
	{ "binary + rescore 600 batch 1", ITR_PREC_BINARY, 1, 600, ITR_COPY_BORROW, LIMIT_READ, { "faiss_rabitq" } },
	{ "binary + rescore 600 batch 256", ITR_PREC_BINARY, 256, 600, ITR_COPY_BORROW, LIMIT_READ, { "faiss_rabitq" } },
};

static void print_case(const struct bench *b, const struct bench_case *c, const itr_gallery *g, const struct figure *f, double limit,
                       const char *peer, double qps, double recall)
{
	itr_json *j = itr_json_object();
	itr_buf out = ITR_BUF_INIT;
	itr_json_add_str(j, "case", c->name);
	itr_json_add_num(j, "ours", f->median);
	itr_json_add_num(j, "best", f->best);
	itr_json_add_num(j, "slow_decile", f->worst);
	itr_json_add_num(j, "recall10", f->recall);
	itr_json_add_str(j, "peer_name", peer);
	itr_json_add(j, "peer", qps > 0 ? itr_json_new_num(qps) : itr_json_new_null());
	itr_json_add(j, "peer_recall10", qps > 0 ? itr_json_new_num(recall) : itr_json_new_null());
	itr_json_add(j, "ratio", qps > 0 ? itr_json_new_num(f->median / qps) : itr_json_new_null());
	itr_json_add(j, "limit", limit > 0 ? itr_json_new_num(limit) : itr_json_new_null());
	itr_json_add(j, "of_limit", limit > 0 ? itr_json_new_num(f->median / limit) : itr_json_new_null());
	itr_json_add_str(j, "kernel", itr_topk_kernel(g));
	itr_json_add_bool(j, "fallback", itr_topk_is_fallback(g));
	itr_json_add_num(j, "gb_per_s", b->gbs);
	itr_json_add_int(j, "threads", b->threads);
	itr_json_print(&out, j, false);
	puts(out.data);
	fflush(stdout);
	itr_buf_free(&out);
	itr_json_free(j);
}

static double limit_now(struct bench *b, const struct bench_case *c, const itr_gallery *g)
{
	itr_gallery_memory m = itr_gallery_bytes(g);
	if (c->peak != LIMIT_READ)
		return limit_peak(c->peak, b->threads) * 1e9 / (2.0 * (double)b->n * DIM);
	b->gbs = limit_read_gbs(b->threads);
	return c->batch == 1 ? b->gbs * 1e9 / (double)(m.codes + m.scales) : 0;
}

static double own_int8_qps(struct bench *b, int batch, double *recall)
{
	struct figure f = { .runs = 0 };
	if (!b->own_int8)
		b->own_int8 = itr_gallery_pack(b->x, b->n, DIM, ITR_PREC_INT8, NULL, NULL);
	measure(b, b->own_int8, batch, 0, &f);
	*recall = f.recall;
	return f.median;
}

static void run_case(struct bench *b, const struct bench_case *c, const itr_gallery *g)
{
	for (int i = 0; i < ITR_LEN(c->peers) && (i == 0 || c->peers[i]); i++) {
		const bool own = c->peers[i] && !strcmp(c->peers[i], OWN_INT8);
		struct figure f = { .runs = 0 };
		double recall = 0, limit;
		if (i && !own && !b->python)
			continue;
		limit = limit_now(b, c, g);
		measure(b, g, c->batch, c->rescore, &f);
		double qps = own ? own_int8_qps(b, c->batch, &recall) : c->peers[i] ? peer_qps(b, c->peers[i], c->batch, &recall) : 0;
		measure(b, g, c->batch, c->rescore, &f);
		double again = limit_now(b, c, g);
		print_case(b, c, g, &f, again > limit ? again : limit, c->peers[i], qps, recall);
	}
}

/* The same cases once more with AVX2 alone, as a machine without AVX-512 runs them: a process's instruction set is fixed once it has been
 * asked for. */
static int fallbacks(char **argv)
{
	const char *cap = getenv("ITR_CPU");
	if ((cap && *cap) || !(itr_cpu_features() & ITR_CPU_AVX512))
		return 0;
	setenv("ITR_CPU", "avx2", 1);
	unsetenv("PEERS_PYTHON");
	bind_threads(1, false);
	execv("/proc/self/exe", argv);
	perror("bench_search");
	return 1;
}

int main(int argc, char **argv)
{
	struct bench b = { .n = (int64_t)env_number("BENCH_N", 1e6),
		           .threads = (int)env_number("BENCH_THREADS", 2),
		           .seconds = env_number("BENCH_SECONDS", 3) };
	const char *shared = getenv("ITR_SHARED"), *only = getenv("BENCH_CASES"), *dir = getenv("PEERS_DIR");
	char *script = itr_xasprintf("%s/peers/peer_search.py", shared && *shared ? shared : "../shared");
	b.dir = dir && *dir ? dir : "peers-data";
	b.python = getenv("PEERS_PYTHON");
	if (b.python && (!*b.python || !itr_path_exists(script)))
		b.python = NULL;
	b.script = script;
	setenv("PEERS_DIR", b.dir, 1);
	(void)argc;
	open_data(&b);
	bind_threads(b.threads, true);
	b.truth = itr_xmalloc(QUERIES * K * sizeof *b.truth);
	itr_gallery *g = itr_gallery_pack(b.x, b.n, DIM, ITR_PREC_FP32, NULL, NULL);
	if (!g || itr_topk_search(g, b.queries, QUERIES, K, b.truth, NULL, NULL) < 0)
		return 1;
	const struct bench_case *held = NULL;
	for (int i = 0; i < ITR_LEN(cases); i++) {
		const struct bench_case *c = &cases[i];
		if (only && *only && !strstr(c->name, only))
			continue;
		if (!held || held->precision != c->precision || held->copy != c->copy) {
			itr_gallery_free(g);
			g = itr_gallery_pack(b.x, b.n, DIM, c->precision, &(itr_pack_opts){ .copy = c->copy }, NULL);
			held = c;
		}
		run_case(&b, c, g);
	}
	itr_gallery_free(g);
	itr_gallery_free(b.own_int8);
	itr_aligned_free(b.own_x);
	itr_aligned_free(b.own_queries);
	free(b.truth);
	free(script);
	return fallbacks(argv);
}
