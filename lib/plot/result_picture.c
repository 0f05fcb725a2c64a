#include "plot/result_picture.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "image/image.h"
#include "plot/plot.h"

/* Pixels. A tile is the square that a picture is fitted into. */
/* tiles of a row: the hits, the relevant image, the query image */
enum {
	TILES = ITR_RESULT_HITS + 2,
	QUERY = ITR_RESULT_HITS + 1,
	ASKS = 128,
	TILE = 176,
	GAP = 18,
	MARGIN = 24,
	TEXT = 270,
	HEAD = 92,
	UNDER = 46,
	ROW = TILE + UNDER,
	LINE = 19,
	MAX_LINES = 8,
	LINE_CHARS = 29,
	NAME_CHARS = 13
};

struct job {
	const itr_result_row *rows;
	itr_image *tiles;                /* n * TILES, in row order */
	itr_err *errs;
	itr_image canvas;
};

static int column_x(int column) { return MARGIN + TEXT + column * (TILE + GAP) + (column == ITR_RESULT_HITS ? GAP : 0); }
static int row_y(int64_t row) { return HEAD + (int)row * ROW; }

/* The picture of tile i, or NULL. */
static const char *tile_path(const itr_result_row *rows, int64_t i)
{
	const itr_result_row *r = &rows[i / TILES];
	int column = (int)(i % TILES);
	return column == QUERY ? r->query : column == ITR_RESULT_HITS ? r->truth : column < r->n_hits ? r->hits[column].image : NULL;
}

static int tile_size(int64_t i) { return i % TILES == QUERY ? ASKS : TILE; }

static void load_tile(void *ctx, int64_t i, int worker)
{
	struct job *j = ctx;
	const char *path = tile_path(j->rows, i);
	int size = tile_size(i);
	itr_image whole = { 0 };
	(void)worker;
	if (!path || itr_image_read(&whole, path, NULL, &j->errs[i]) < 0)
		return;
	double scale = (double)size / ITR_MAX(whole.width, whole.height);
	int width = ITR_MAX(1, (int)(whole.width * scale + 0.5)), height = ITR_MAX(1, (int)(whole.height * scale + 0.5));
	itr_image_resize(&j->tiles[i], &whole, ITR_MIN(width, size), ITR_MIN(height, size), ITR_BICUBIC);
	itr_image_free(&whole);
}

/* Draws the image in the middle of its square tile, the rest light grey; the query image at the bottom, below its name. */
static void paste(struct job *j, int64_t i)
{
	const itr_image *t = &j->tiles[i];
	int size = tile_size(i), top = row_y(i / TILES) + TILE - size, left = size == ASKS ? MARGIN : column_x((int)(i % TILES));
	for (int y = 0; y < size; y++)
		memset(j->canvas.rgb + ((int64_t)(top + y) * j->canvas.width + left) * 3, 0xF0, (size_t)size * 3);
	for (int y = 0; y < t->height; y++)
		memcpy(j->canvas.rgb + ((int64_t)(top + (size - t->height) / 2 + y) * j->canvas.width + left + (size - t->width) / 2) * 3,
		       t->rgb + (int64_t)y * t->width * 3, (size_t)t->width * 3);
}

/* --- script: y runs upwards there, so height - y -------------------------------------------------------------------------------------- */

static void put_text(itr_buf *gp, const struct job *j, const char *text, int x, int y, const char *style)
{
	itr_buf_puts(gp, "set label ");
	itr_plot_quote(gp, text);
	itr_buf_printf(gp, " at %d,%d %s front\n", x, j->canvas.height - y, style);
}

/* Breaks at spaces; a long word is cut. Counts characters, not bytes. */
static int put_wrapped(itr_buf *gp, const struct job *j, const char *text, int most, int x, int y)
{
	int lines = 0;
	while (*text && lines < most) {
		size_t bytes = 0, space = 0;
		for (int chars = 0; text[bytes] && text[bytes] != '\n'; bytes++) {
			chars += ((unsigned char)text[bytes] & 0xC0) != 0x80;
			if (chars > LINE_CHARS)
				break;
			if (text[bytes] == ' ')
				space = bytes;
		}
		size_t take = text[bytes] && text[bytes] != '\n' && text[bytes] != ' ' && space ? space : bytes;
		bool last = lines == most - 1 && text[take] && text[take + 1];
		char *line = itr_xasprintf("%.*s%s", (int)take, text, last ? " ..." : "");
		put_text(gp, j, line, x, y + lines * LINE, "left font ',12'");
		free(line);
		text += take;
		text += strspn(text, " \n");
		lines++;
	}
	return lines;
}

/* The text below a tile, next to score and mark: the last component of an id that is a path, truncated at a whole character. */
static int short_name(const char **name)
{
	const char *s = *name ? *name : "", *slash = strrchr(s, '/');
	int bytes = 0, chars = 0;
	s = slash && slash[1] ? slash + 1 : s;
	for (; s[bytes]; bytes++)
		if (((unsigned char)s[bytes] & 0xC0) != 0x80 && ++chars > NAME_CHARS)
			break;
	*name = s;
	return bytes;
}

static void put_hit(itr_buf *gp, const struct job *j, const itr_result_hit *h, int column, int64_t row)
{
	static const char *const words[] = { "", "miss  ", "hit  ", "same caption  " };
	int x = column_x(column), y = row_y(row), top = j->canvas.height - y;
	bool good = h->mark >= ITR_RESULT_HIT;
	const char *colour = itr_plot_colour(good ? 2 : 1);
	if (h->mark != ITR_RESULT_UNKNOWN) {
		itr_buf_printf(gp, "set object rectangle from %d,%d to %d,%d front fs empty border lc rgb '%s' lw %s\n", x - 2, top + 2,
		               x + TILE + 2, top - TILE - 2, colour, good ? "5" : "2 dt (6,4)");
		itr_buf_printf(gp, "set object circle at %d,%d size 13 front fs solid 1 noborder fc rgb '%s'\n", x + TILE - 14, top - 14,
		               colour);
		put_text(gp, j, good ? "\xE2\x9C\x93" : "\xE2\x9C\x97", x + TILE - 14, y + 14, "center font ',14' tc rgb '#ffffff'");
	}
	const char *name = h->name;
	const int bytes = short_name(&name);
	char *line = itr_xasprintf("%.3f  %s%.*s", h->score, words[h->mark], h->mark == ITR_RESULT_SAME ? 0 : bytes, name);
	put_text(gp, j, line, x, y + TILE + 15, "left font ',10' tc rgb '#333333'");
	free(line);
}

static void put_row(itr_buf *gp, const struct job *j, const itr_result_row *r, int64_t row)
{
	int y = row_y(row) + 12, lines = put_wrapped(gp, j, r->caption, r->query ? 2 : MAX_LINES, MARGIN, y);
	if (r->note)
		put_text(gp, j, r->note, MARGIN, y + lines * LINE + 6, "left font ',10' tc rgb '#666666'");
	for (int k = 0; k < r->n_hits; k++)
		put_hit(gp, j, &r->hits[k], k, row);
	if (r->truth) {
		int x = column_x(ITR_RESULT_HITS), top = j->canvas.height - row_y(row);
		itr_buf_printf(gp, "set object rectangle from %d,%d to %d,%d front fs empty border lc rgb '#444444' lw 1.5\n", x - 1,
		               top + 1, x + TILE + 1, top - TILE - 1);
		if (r->truth_name)
			put_text(gp, j, r->truth_name, x, row_y(row) + TILE + 15, "left font ',10' tc rgb '#333333'");
	}
}

static void put_script(itr_buf *gp, const struct job *j, const char *png, const char *tiles, const char *title, const char *subtitle,
                       int64_t n)
{
	bool truth = false;
	itr_plot_preamble(gp, png, j->canvas.width, j->canvas.height, 12);
	itr_buf_printf(gp, "set margins 0,0,0,0\nunset border\nunset tics\nunset key\nset xrange [0:%d]\nset yrange [0:%d]\n",
	               j->canvas.width, j->canvas.height);
	put_text(gp, j, title, MARGIN, 24, "left font ',17'");
	if (subtitle)
		put_text(gp, j, subtitle, MARGIN, 50, "left font ',12' tc rgb '#555555'");
	for (int64_t i = 0; i < n; i++) {
		put_row(gp, j, &j->rows[i], i);
		truth = truth || j->rows[i].truth;
	}
	put_text(gp, j, "query", MARGIN, HEAD - 18, "left font ',11' tc rgb '#555555'");
	for (int k = 0; k < ITR_RESULT_HITS; k++) {
		char *head = itr_xasprintf("rank %d", k + 1);
		put_text(gp, j, head, column_x(k), HEAD - 18, "left font ',11' tc rgb '#555555'");
		free(head);
	}
	if (truth)
		put_text(gp, j, "the right picture", column_x(ITR_RESULT_HITS), HEAD - 18, "left font ',11' tc rgb '#555555'");
	itr_buf_puts(gp, "plot ");
	itr_plot_quote(gp, itr_path_basename(tiles));
	itr_buf_puts(gp, " binary filetype=png dx=1 dy=1 origin=(0.5,0.5) with rgbimage\nunset output\n");
}

int itr_result_picture_render(const char *png, const char *title, const char *subtitle, const itr_result_row *rows, int64_t n, int threads,
                     itr_err *err)
{
	int64_t count = n * TILES;
	if (n < 1 || n > 200)
		return itr_err_set(err, "a result picture has 1 to 200 rows, not %lld", (long long)n);
	struct job j = { .rows = rows,
		         .tiles = itr_xcalloc((size_t)count, sizeof *j.tiles),
		         .errs = itr_xcalloc((size_t)count, sizeof *j.errs) };
	int rc = 0, columns = ITR_RESULT_HITS;
	for (int64_t i = 0; i < n; i++)
		columns = rows[i].truth ? ITR_RESULT_HITS + 1 : columns;
	itr_parallel_for(threads, count, load_tile, &j);
	for (int64_t i = 0; i < count && rc == 0; i++)
		if (j.errs[i].set)
			rc = itr_err_set(err, "%s", j.errs[i].msg);
	itr_image_alloc(&j.canvas, column_x(columns - 1) + TILE + MARGIN, row_y(n) + MARGIN / 2);
	memset(j.canvas.rgb, 0xFF, (size_t)j.canvas.width * (size_t)j.canvas.height * 3);
	for (int64_t i = 0; i < count && rc == 0; i++)
		if (tile_path(rows, i))
			paste(&j, i);
	char *tiles = itr_path_replace_extension(png, ".tiles.png"), *script = itr_path_replace_extension(png, ".gp"),
	     *dir = itr_path_dirname(png);
	itr_buf gp = ITR_BUF_INIT;
	if (rc == 0)
		rc = itr_path_mkdirs(dir, err);
	if (rc == 0)
		rc = itr_image_write_png(tiles, &j.canvas, err);
	if (rc == 0) {
		put_script(&gp, &j, png, tiles, title, subtitle, n);
		rc = itr_atomic_write(script, gp.data, gp.len, err);
	}
	if (rc == 0)
		rc = itr_plot_run(png, err);
	for (int64_t i = 0; i < count; i++)
		itr_image_free(&j.tiles[i]);
	itr_image_free(&j.canvas);
	itr_buf_free(&gp);
	free(j.tiles);
	free(j.errs);
	free(tiles);
	free(script);
	free(dir);
	return rc;
}
