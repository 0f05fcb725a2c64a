/* Writes one file of each kind into the folder it is given, for io_numpy_h5py.py to read with NumPy and h5py; with a second argument, reads
 * that folder's h5py file and prints what it holds. Built by that script. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "io/h5.h"
#include "io/json.h"
#include "io/npz.h"

static itr_err err;

static void must(int rc)
{
	if (rc != 0) {
		fprintf(stderr, "io_sample: %s\n", err.msg);
		exit(1);
	}
}

static const char *const words[] = { "139", "caf\xc3\xa9 \xf0\x9f\x98\x80", "", "long enough to be the widest" };

static void write_npz(const char *path, bool deflate)
{
	itr_npz_writer *w = itr_npz_create(path, deflate, &err);
	must(w ? 0 : -1);
	static const itr_dtype types[] = { ITR_F16, ITR_F32, ITR_F64, ITR_I8,  ITR_I16, ITR_I32,
		                           ITR_I64, ITR_U8,  ITR_U16, ITR_U32, ITR_U64, ITR_BOOL };
	for (int t = 0; t < ITR_LEN(types); t++) {
		unsigned char raw[12 * 8];
		/* 0, 1, 0, 1, ... in every type */
		memset(raw, 0, sizeof raw);
		for (int k = 1; k < 12; k += 2) {
			float f = 1;
			double d = 1;
			uint16_t h = itr_f16_from_f32(1);
			unsigned char *at = raw + (size_t)k * itr_dtype_size(types[t]);
			if (types[t] == ITR_F16)
				memcpy(at, &h, 2);
			else if (types[t] == ITR_F32)
				memcpy(at, &f, 4);
			else if (types[t] == ITR_F64)
				memcpy(at, &d, 8);
			else
				*at = 1;
		}
		must(itr_npz_put(w, itr_dtype_name(types[t]), types[t], 2, (int64_t[]){ 3, 4 }, raw, &err));
	}
	must(itr_npz_put(w, "a/b/c", ITR_F32, 1, (int64_t[]){ 3 }, (float[]){ 1, 2, 3 }, &err));
	must(itr_npz_put(w, "scalar", ITR_I64, 0, NULL, (int64_t[]){ -5 }, &err));
	must(itr_npz_put(w, "empty", ITR_F32, 2, (int64_t[]){ 0, 512 }, NULL, &err));
	must(itr_npz_put_text(w, "words", words, ITR_LEN(words), &err));
	must(itr_npz_put_string(w, "itr_provenance", "{\"tool\":\"io_sample\"}", &err));
	must(itr_npz_finish(w, &err));
}

static void write_h5(const char *path)
{
	itr_h5 *h = itr_h5_create(path, "itr-features", true, &err);
	must(h ? 0 : -1);
	float x[6] = { 1.5f, -2, 3.25f, 65504, 0.333251953125f, 6e-8f };
	uint8_t flags[3] = { 0, 1, 1 };
	must(itr_h5_write(h, "/image/pooled", ITR_F32, 2, (int64_t[]){ 2, 3 }, x, &err));
	must(itr_h5_create_rows(h, "/image/patches", ITR_F16, 3, (int64_t[]){ 2, 3, 1 }, &err));
	must(itr_h5_write_rows(h, "/image/patches", ITR_F32, 0, 2, x, &err));
	must(itr_h5_write(h, "/text/image", ITR_I64, 1, (int64_t[]){ 2 }, (int64_t[]){ 1, (int64_t)1 << 60 }, &err));
	must(itr_h5_write(h, "/flags", ITR_BOOL, 1, (int64_t[]){ 3 }, flags, &err));
	must(itr_h5_write_texts(h, "/image/id", words, ITR_LEN(words), &err));
	char *big = itr_xmalloc(3000001);
	memset(big, 'p', 3000000);
	big[3000000] = 0;
	must(itr_h5_write_text(h, "/provenance", big, &err));
	free(big);
	must(itr_h5_set_attr_text(h, "/image", "encoder", "classic", &err));
	must(itr_h5_set_attr_int(h, "/image", "normalized", 1, &err));
	must(itr_h5_commit(h, &err));
}

/* One line for each dataset of the file: name, type, shape, sum or strings. */
static void read_h5(const char *path)
{
	itr_h5 *h = itr_h5_open(path, NULL, &err);
	must(h ? 0 : -1);
	char **names;
	int64_t n = itr_h5_list(h, "/", &names);
	for (int64_t i = 0; i < n; i++) {
		itr_h5_info info;
		if (itr_h5_info_of(h, names[i], &info, &err) < 0) {
			printf("%s refused\n", names[i]);
		} else if (info.is_text) {
			int64_t count;
			char **t = itr_h5_read_texts(h, names[i], &count, &err);
			must(t ? 0 : -1);
			printf("%s text", names[i]);
			for (int64_t k = 0; k < count; k++) {
				printf(" [%s]", t[k]);
				free(t[k]);
			}
			printf("\n");
			free(t);
		} else {
			double *d = itr_h5_read(h, names[i], ITR_F64, &info, &err), sum = 0;
			must(d ? 0 : -1);
			for (int64_t k = 0; k < info.count; k++)
				sum += d[k];
			printf("%s %s %d %lld %.6g\n", names[i], itr_dtype_name(info.dtype), info.rank, (long long)info.count, sum);
			itr_aligned_free(d);
		}
		free(names[i]);
	}
	free(names);
	itr_h5_close(h);
}

int main(int argc, char **argv)
{
	if (argc == 3) {
		read_h5(argv[2]);
		return 0;
	}
	static const char *const files[] = { "stored.npz", "deflated.npz", "features.h5", "one.npy" };
	for (int i = 0; i < ITR_LEN(files); i++) {
		char *path = itr_path_join(argv[1], files[i]);
		if (i < 2)
			write_npz(path, i == 1);
		else if (i == 2)
			write_h5(path);
		else
			must(itr_npy_write(path, ITR_F32, 2, (int64_t[]){ 2, 3 }, (float[]){ 1, 2, 3, 4, 5, 6 }, &err));
		free(path);
	}
	return 0;
}
