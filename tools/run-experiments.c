/* run-experiments - the candidate-pool ablation: dims x precisions x candidate sizes, both directions */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/program.h"
#include "cli/progress.h"
#include "ablation/grid.h"
#include "track/run.h"

enum { TRACK_CELLS, TRACK_SUMMARY };
static const char *const track_names[] = { "cells", "summary", NULL };

struct opt {
	itr_grid_opts grid;
	const char *sweep;
	int track;
	int64_t batch_size, num_workers;
};

static itr_option options[] = {
	ITR_OPT_STR("data-path", 'd', struct opt, grid.data, "FILE", "NPZ or HDF5 with text_D, video_D and ground_truth"),
	ITR_OPT_STR("output-dir", 0, struct opt, grid.output_dir, "DIR", "where the results are written"),
	ITR_OPT_INTS_IN("embedding-dims", 0, struct opt, grid.dims, "D...", ITR_FROM(1),
	                "embedding sizes (default: those of --project or --truncate, else the sizes that the file has)"),
	ITR_OPT_ENUMS("precisions", 'p', struct opt, grid.precisions, itr_precision_names, NULL),
	ITR_OPT_INTS_IN("candidate-sizes", 'c', struct opt, grid.sizes, "C...", ITR_FROM(1), "rows in a candidate pool"),
	ITR_OPT_BOOL("full", 0, struct opt, grid.full, "also rank the whole gallery"),
	ITR_OPT_INTS_IN("recall-k", 'k', struct opt, grid.recall_k, "K...", ITR_FROM(1),
	                "cut-offs K of recall@K; the largest one is also the cut-off of ndcg"),
	ITR_OPT_INTS_IN("seeds", 0, struct opt, grid.seeds, "S...", ITR_FROM(0),
	                "seeds of the pools; each cell is the mean over them (default: --seed)"),
	ITR_OPT_ENUM("ties", 0, struct opt, grid.ties, itr_ties_names, "ranking of equal scores"),
	ITR_OPT_HEADING("Vectors:"),
	ITR_OPT_INTS_IN("project", 0, struct opt, grid.project, "D...", ITR_FROM(1),
	                "embedding sizes, by Gaussian random projection of the largest"),
	ITR_OPT_INTS_IN("truncate", 0, struct opt, grid.truncate, "D...", ITR_FROM(1),
	                "embedding sizes, by truncation of the largest (Matryoshka)"),
	ITR_OPT_BOOL("shuffle-queries", 0, struct opt, grid.shuffle, "permute the texts, with their ground truth"),
	ITR_OPT_BOOL("normalize", 0, struct opt, grid.normalize, "L2-normalize the rows"),
	ITR_OPT_BOOL("rotate", 0, struct opt, grid.rotate, "rotate all vectors by one random orthogonal matrix first, for every precision"),
	ITR_OPT_BOOL("rotate-binary", 0, struct opt, grid.rotate_binary,
	             "rotate the vectors for precision binary: needed where few dimensions hold most of the variance (CCA, PCA)"),
	ITR_OPT_BOOL("calibrate", 0, struct opt, grid.calibrate, "int8, int4: scales per dimension, from a sample of the gallery"),
	ITR_OPT_ENUM("quantizer", 0, struct opt, grid.quantizer, itr_quantizer_names,
	             "minmax-wrap reproduces the source project's int8 and its defect"),
	ITR_OPT_INT_IN("rescore", 0, struct opt, grid.rescore, "N", ITR_FROM(0), "rerank the N best of a pool in float32; 0: off"),
	ITR_OPT_HEADING("Work:"),
	ITR_OPT_STR("sweep", 0, struct opt, sweep, "FILE", "file of a named experiment's options; the command line has precedence"),
	ITR_OPT_ENUM("timing", 0, struct opt, grid.timing, itr_timing_names, "time 64 queries of each cell, all, or none"),
	ITR_OPT_INT_IN("bootstrap", 0, struct opt, grid.resamples, "N", ITR_BETWEEN(0, 1000000),
	               "bootstrap resamples for the 95 % intervals; 0: no intervals"),
	ITR_OPT_BOOL("fidelity", 0, struct opt, grid.fidelity, "measure the error of each precision against float32"),
	ITR_OPT_BOOL("resume", 0, struct opt, grid.resume, "resume an earlier run in --output-dir"),
	ITR_OPT_ENUM("pick", 0, struct opt, grid.pick, itr_pick_names, "with --resume: cells without result, cells that failed, or both"),
	ITR_OPT_BOOL("dry-run", 'n', struct opt, grid.dry_run, "list the cells and what would be done"),
	ITR_OPT_INT_IN("jobs", 0, struct opt, grid.jobs, "N", ITR_BETWEEN(1, 1024), "precisions computed in parallel"),
	ITR_OPT_ENUM("track", 0, struct opt, track, track_names, "one child run per cell, or only a summary"),
	ITR_OPT_INT("batch-size", 0, struct opt, batch_size, "N", "accepted for the source project's command lines; has no effect"),
	ITR_OPT_INT("num-workers", 0, struct opt, num_workers, "N", "accepted for the source project's command lines; has no effect"),
	ITR_OPT_END
};

static const char *const examples[] = {
	"{run-experiments} --data_path test.npz --output_dir result --embedding_dims 256 512 1024 --precisions fp32 fp16 int8 int4 "
	"--candidate_sizes 100 200 300 400 500",
	"{run-experiments} --data-path test.npz --output-dir result --precisions fp32 binary --full --rescore 100",
	"{run-experiments} --sweep experiments/quantization.json --resume", NULL
};

static const itr_tool_desc run_experiments_tool = {
	.name = "run-experiments",
	.purpose = "retrieval quality and cost over embedding sizes, precisions and candidate pools",
	.synopsis = "{run-experiments} [options] --data-path FILE --output-dir DIR",
	.options = options,
	.min_args = 0,
	.max_args = 0,
	.flags = ITR_TOOL_FORCE,
	.examples = examples,
	.see_also = "{analyze}(1), {evaluate}(1), {runs}(1)",
};

struct watch {
	itr_tool *tool;
	itr_progress *progress;
	int64_t failed;
	bool cells;
};

/* A cell as a run below the tool's own. Its loss would not be worth losing the grid for: failures to write it are a warning. */
static void track_cell(const struct watch *w, const itr_grid *g, int64_t i)
{
	static const char *const directions[] = { "text_to_video", "video_to_text" }, *const prefixes[] = { "t2v", "v2t" };
	const itr_json *cell = itr_grid_cell_result(g, i);
	itr_err err = ITR_ERR_INIT;
	char key[300], dir[4096];
	if (!w->cells || !w->tool->run)
		return;
	snprintf(dir, sizeof dir, "%s/../..", itr_run_dir(w->tool->run));
	itr_run *r = itr_run_start(
		&(itr_run_opts){
			.runs_dir = dir, .name = itr_grid_cell_key(g, i), .parent = itr_run_id(w->tool->run), .source = "run-experiments" },
		&err);
	for (int d = 0; r && d < 2; d++)
		for (const itr_json *m = itr_json_first(itr_json_get(cell, directions[d])); m; m = itr_json_next(m))
			if (itr_json_is_number(m)) {
				snprintf(key, sizeof key, "%s_%s", prefixes[d], itr_json_key(m));
				itr_run_metric(r, key, itr_json_num(m, 0), 0);
			}
	for (const itr_json *c = r ? itr_json_first(itr_json_get(cell, "config")) : NULL; c; c = itr_json_next(c)) {
		snprintf(key, sizeof key, "%lld", (long long)itr_json_int(c, 0));
		itr_run_param(r, itr_json_key(c), itr_json_str(c, key));
	}
	if (r && itr_json_is_number(itr_json_get(cell, "queries_per_second")))
		itr_run_metric(r, "queries_per_second", itr_json_num(itr_json_get(cell, "queries_per_second"), 0), 0);
	if (r && itr_json_is_number(itr_json_get(cell, "memory_usage_mb")))
		itr_run_metric(r, "memory_usage_mb", itr_json_num(itr_json_get(cell, "memory_usage_mb"), 0), 0);
	if (!r || itr_run_end(r, itr_grid_cell_error(g, i) ? ITR_RUN_FAILED : ITR_RUN_FINISHED, &err) < 0)
		itr_warn("cell %s is not tracked: %s", itr_grid_cell_key(g, i), err.msg);
}

static void on_cell(void *ctx, const itr_grid *g, int64_t i)
{
	struct watch *w = ctx;
	if (itr_grid_cell_error(g, i)) {
		itr_warn("%s: %s", itr_grid_cell_key(g, i), itr_grid_cell_error(g, i));
		itr_progress_note(w->progress, "%lld failed", (long long)++w->failed);
	}
	track_cell(w, g, i);
}

static void on_done(void *ctx, int64_t cells) { itr_progress_add(((struct watch *)ctx)->progress, cells); }

static int dry_run(itr_tool *t, itr_grid *g)
{
	for (int64_t i = 0; i < itr_grid_cells(g); i++)
		fprintf(t->out, "%s\t%s\n", itr_grid_cell_key(g, i), itr_grid_cell_plan(g, i));
	itr_info("%lld of %lld cells would be computed", (long long)itr_grid_todo(g), (long long)itr_grid_cells(g));
	itr_grid_free(g);
	return itr_tool_end(t, true);
}

/* Counts, the parent's metrics, what stdout shows. Returns whether every cell has a result. */
static bool verdict(itr_tool *t, const itr_grid *g, const struct opt *o, const char *const paths[3])
{
	static const char *const directions[] = { "text_to_video", "video_to_text" }, *const names[] = { "t2v_recall", "v2t_recall" };
	int64_t done = 0, failed = 0, k = 0;
	double sum[2] = { 0, 0 };
	char key[64];
	for (int64_t i = 0; i < o->grid.recall_k.n; i++)
		k = ITR_MAX(k, o->grid.recall_k.v[i]);
	snprintf(key, sizeof key, "recall@%lld", (long long)k);
	for (int64_t i = 0; i < itr_grid_cells(g); i++) {
		const itr_json *cell = itr_grid_cell_result(g, i);
		if (!cell || itr_grid_cell_error(g, i)) {
			failed += cell != NULL;
			continue;
		}
		done++;
		for (int d = 0; d < 2; d++)
			sum[d] += itr_json_num(itr_json_get(itr_json_get(cell, directions[d]), key), 0);
	}
	itr_tool_metric(t, "cells_done", (double)done, 0);
	itr_tool_metric(t, "cells_failed", (double)failed, 0);
	for (int d = 0; d < 2 && done; d++) {
		snprintf(key, sizeof key, "mean_%s_at_%lld", names[d], (long long)k);
		itr_tool_metric(t, key, sum[d] / (double)done, 0);
	}
	for (int i = 0; i < 3; i++)
		if (paths[i])
			itr_tool_artifact(t, paths[i]);
	if (t->json) {
		itr_json *j = itr_json_object();
		itr_json_add_str(j, "results", paths[0]);
		itr_json_add_int(j, "cells", itr_grid_cells(g));
		itr_json_add_int(j, "done", done);
		itr_json_add_int(j, "failed", failed);
		itr_tool_print_json(t, j);
	} else {
		fprintf(t->out, "%s: %lld of %lld cells done, %lld failed\n", paths[0], (long long)done, (long long)itr_grid_cells(g),
		        (long long)failed);
	}
	return done == itr_grid_cells(g);
}

static int run(itr_tool *t, const struct opt *o)
{
	itr_grid_opts go = o->grid;
	const char *paths[3] = { NULL, NULL, NULL };
	go.seed = t->seed;
	go.threads = t->threads;
	if (!go.seeds.n)
		go.seeds = (itr_ints){ 1, { (int64_t)t->seed } };
	char *results = itr_path_join(go.output_dir, "experiment_results.json");
	int free_place = go.resume || go.dry_run || go.pick != ITR_PICK_MISSING ? 0 : itr_tool_check_free(t, results);
	free(results);
	if (free_place < 0)
		itr_err_set(&t->err, "'%s/experiment_results.json' exists: --resume continues it, --force starts again", go.output_dir);
	itr_grid *g = free_place < 0 ? NULL : itr_grid_new(&go, t->provenance, &t->err);
	if (!g)
		return itr_tool_fail(t);
	for (const itr_json *w = itr_json_first(itr_grid_warnings(g)); w; w = itr_json_next(w))
		itr_warn("%s", itr_json_str(w, ""));
	if (go.dry_run)
		return dry_run(t, g);
	struct watch w = { t, itr_progress_begin(t, "grid", "cells", itr_grid_todo(g)), 0, o->track == TRACK_CELLS };
	int rc = itr_grid_run(g, &(itr_grid_watch){ on_done, on_cell, &w, &itr_interrupted }, &t->err);
	itr_progress_end(w.progress);
	if (rc == 0)
		rc = itr_grid_write(g, t->provenance, paths, &t->err);
	bool whole = rc == 0 && verdict(t, g, o, paths);
	itr_grid_free(g);
	return rc < 0 ? itr_tool_fail(t) : itr_tool_end(t, whole);
}

int main(int argc, char **argv)
{
	struct opt o = { .grid = { .precisions = { 4, { ITR_PREC_FP32, ITR_PREC_FP16, ITR_PREC_INT8, ITR_PREC_INT4 } },
		                   .sizes = { 5, { 100, 200, 300, 400, 500 } },
		                   .recall_k = { 1, { 10 } },
		                   .normalize = true,
		                   .rotate_binary = true,
		                   .resamples = ITR_BOOT_RESAMPLES,
		                   .jobs = 1 },
		         .track = TRACK_SUMMARY };
	itr_sweep sweep;
	itr_mem_keep();
	itr_err err = ITR_ERR_INIT;
	if (itr_sweep_args(argc, argv, &sweep, &err) < 0) {
		itr_program_called(argv[0], "run-experiments");
		itr_log_setup(itr_program_own(), ITR_LOG_INFO);
		itr_error("%s", err.msg);
		return ITR_EXIT_FAIL;
	}
	itr_precision_describe(options, "storage formats");
	itr_tool *t = itr_tool_begin(&run_experiments_tool, &o, sweep.argc, sweep.argv);
	int code = !o.grid.data         ? itr_tool_usage(t, "no data: --data-path FILE")
	           : !o.grid.output_dir ? itr_tool_usage(t, "no place for the results: --output-dir DIR")
	                           : run(t, &o);
	itr_sweep_free(&sweep);
	return code;
}
