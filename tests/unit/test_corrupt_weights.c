/* Hostile weight files: cut short, bits flipped, headers that lie, pickles that want to run something or to use up the machine. The verdict
 * is a message that names the file, or tensors that can be read; never a crash, a hang, or memory on the file's word. Run it under
 * AddressSanitizer: make check-asan. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/path.h"
#include "io/weights.h"
#include "io/zipwrite.h"

#define GOLDEN "tests/golden/weights/"

static char *damaged;                   /* the file that each case writes anew */

/* A new file each time: ext4 writes out what replaces a truncated file as soon as it is closed, which made this test wait for minutes. */
static FILE *fresh(void)
{
	unlink(damaged);
	return fopen(damaged, "wb");
}

static void save(const void *bytes, size_t n)
{
	FILE *f = fresh();
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

static char *slurp(const char *path, size_t *n)
{
	itr_err err = ITR_ERR_INIT;
	char *bytes = itr_path_read(path, 1 << 26, n, &err);
	if (!bytes)
		fail_msg("%s", err.msg);
	return bytes;
}

static void check_message(const itr_err *err)
{
	assert_true(err->set);
	if (!strstr(err->msg, damaged))
		fail_msg("the message does not name the file: %s", err->msg);
}

/* Opens the file and reads all that is there. True when all of it was had. */
static bool read_all(void)
{
	itr_err err = ITR_ERR_INIT;
	bool good = true;
	itr_weights *w = itr_weights_open(damaged, &err);
	if (!w) {
		check_message(&err);
		return false;
	}
	for (int64_t i = 0; i < itr_weights_count(w); i++) {
		const itr_weight *t = itr_weights_at(w, i);
		if (t->count > 1 << 20)         /* a stride that was flipped to 0 makes a large view of little */
			continue;
		float *x = itr_xmalloc((size_t)t->count * sizeof *x + 1);
		if (itr_weights_read(w, t, x, &err) < 0) {
			check_message(&err);
			good = false;
		}
		free(x);
	}
	itr_weights_close(w);
	return good;
}

static void refused(const char *why)
{
	itr_err err = ITR_ERR_INIT;
	itr_weights *w = itr_weights_open(damaged, &err);
	if (w || !strstr(err.msg, why))
		fail_msg("wanted an error with \"%s\", got \"%s\"", why, w ? "none" : err.msg);
	check_message(&err);
}

static const char *const good_files[] = { GOLDEN "every.pth",
	                                  GOLDEN "every_legacy.pth",
	                                  GOLDEN "views.pth",
	                                  GOLDEN "checkpoint.pth",
	                                  GOLDEN "checkpoint_legacy.pth",
	                                  GOLDEN "deflated.pth",
	                                  GOLDEN "protocol4.pth",
	                                  GOLDEN "unsigned.pth",
	                                  GOLDEN "every.safetensors",
	                                  "tests/golden/checkpoints/beside.pth",
	                                  "tests/golden/checkpoints/beside_legacy.pth",
	                                  "tests/golden/checkpoints/beside4.pth",
	                                  "tests/golden/checkpoints/parameters_with_state_legacy.pth" };

/* Cut at every byte: no file is whole without its end. */
static void test_cut(void **state)
{
	(void)state;
	for (int f = 0; f < ITR_LEN(good_files); f++) {
		size_t n;
		char *bytes = slurp(good_files[f], &n);
		for (size_t k = 0; k < n; k++) {
			save(bytes, k);
			if (read_all())
				fail_msg("%s cut at %zu of %zu was read", good_files[f], k, n);
		}
		save(bytes, n);
		assert_true(read_all());
		free(bytes);
	}
}

/* Bits flipped by a fixed seed, one to four at a time. In a zip the checksums find every one that matters; elsewhere a value may change,
 * but nothing may break. */
static void test_flips(void **state)
{
	(void)state;
	uint64_t seed = 11;
	for (int f = 0; f < ITR_LEN(good_files); f++) {
		size_t n;
		char *bytes = slurp(good_files[f], &n), *copy = itr_xmalloc(n);
		for (int k = 0; k < 1500; k++) {
			memcpy(copy, bytes, n);
			for (int i = 0; i <= k % 4; i++) {
				uint64_t r = itr_mix64(seed += 0x9e3779b97f4a7c15u);
				size_t span = k % 2 ? n : ITR_MIN(n, 700);              /* half of them where the structure is */
				copy[r % span] ^= (char)(1 << (r >> 40 & 7));
			}
			save(copy, n);
			read_all();
		}
		free(bytes);
		free(copy);
	}
}

/* --- pickles that want to run something ---------------------------------------------------------------------------------------------- */

static void test_wishes(void **state)
{
	(void)state;
	static const char *const wishes[][2] = {
		{ "wants_os_system.pth", "wants to run posix.system: refused" },
		{ "wants_os_system_legacy.pth", "wants to run posix.system: refused" },
		{ "wants_eval.pth", "wants to run __builtin__.eval: refused" },
		{ "wants_eval_legacy.pth", "wants to run __builtin__.eval: refused" },
		{ "wants_getattr.pth", "wants to run __builtin__.getattr: refused" },
		{ "wants_getattr_legacy.pth", "wants to run __builtin__.getattr: refused" },
		{ "wants_raw0.bin", "wants to run posix.system: refused" },
		{ "wants_raw1.bin", "wants to run posix.system: refused" },
		{ "wants_raw2.bin", "wants to run posix.system: refused" },
		{ "wants_raw4.bin", "wants to run posix.system: refused" },
		{ "wants_inst.bin", "wants to run os.system: refused" },
		{ "wants_module.pth", "wants to run torch.nn.modules.linear.Linear: refused" },
	};
	for (int i = 0; i < ITR_LEN(wishes); i++) {
		char *path = itr_path_join(GOLDEN, wishes[i][0]);
		size_t n;
		char *bytes = slurp(path, &n);
		save(bytes, n);
		refused(wishes[i][1]);
		free(bytes);
		free(path);
	}
	assert_false(itr_path_exists("PWNED"));
}

/* --- pickles by hand: PICKLE is data.pkl of a zip, behind which `storage` zeros lie as data/0 ----------------------------------------- */

static void save_zip(const itr_buf *pickle, int64_t storage, bool deflate)
{
	static const char zeros[1 << 16];
	itr_err err = ITR_ERR_INIT;
	FILE *f = fresh();
	itr_zipw *z = itr_zipw_new(f, damaged, deflate);
	assert_int_equal(itr_zipw_begin(z, "a/data.pkl", (int64_t)pickle->len, &err), 0);
	assert_int_equal(itr_zipw_write(z, pickle->data, pickle->len, &err), 0);
	assert_int_equal(itr_zipw_end(z, &err), 0);
	assert_int_equal(itr_zipw_begin(z, "a/data/0", storage, &err), 0);
	for (int64_t at = 0; at < storage; at += (int64_t)sizeof zeros)
		assert_int_equal(itr_zipw_write(z, zeros, (size_t)ITR_MIN((int64_t)sizeof zeros, storage - at), &err), 0);
	assert_int_equal(itr_zipw_end(z, &err), 0);
	assert_int_equal(itr_zipw_finish(z, &err), 0);
	itr_zipw_free(z);
	fclose(f);
}

static void put_text(itr_buf *b, const char *s)
{
	itr_buf_putc(b, 'X');
	uint32_t n = (uint32_t)strlen(s);
	for (int i = 0; i < 4; i++)
		itr_buf_putc(b, (char)(n >> 8 * i));
	itr_buf_puts(b, s);
}

static void put_int(itr_buf *b, int64_t v)
{
	itr_buf_putc(b, (char)0x8a);
	itr_buf_putc(b, 8);
	for (int i = 0; i < 8; i++)
		itr_buf_putc(b, (char)((uint64_t)v >> 8 * i));
}

/* "name": a tensor of the storage '0' of `elements` floats, with one dimension. */
static void put_tensor(itr_buf *b, const char *name, int64_t elements, int64_t offset, int64_t size, int64_t stride)
{
	put_text(b, name);
	itr_buf_puts(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
	put_text(b, "storage");
	itr_buf_puts(b, "ctorch\nFloatStorage\n");
	put_text(b, "0");
	put_text(b, "cpu");
	put_int(b, elements);
	itr_buf_puts(b, "tQ");
	put_int(b, offset);
	put_int(b, size);
	itr_buf_putc(b, (char)0x85);
	put_int(b, stride);
	itr_buf_putc(b, (char)0x85);
	itr_buf_puts(b, "\x89)tR");
}

static void one_tensor(int64_t elements, int64_t storage, int64_t offset, int64_t size, int64_t stride, bool deflate)
{
	itr_buf b = ITR_BUF_INIT;
	itr_buf_puts(&b, "\x80\x02}(");
	put_tensor(&b, "x", elements, offset, size, stride);
	itr_buf_puts(&b, "u.");
	save_zip(&b, storage, deflate);
	itr_buf_free(&b);
}

static void test_views(void **state)
{
	(void)state;
	one_tensor(10, 40, 0, 10, 1, false);
	assert_true(read_all());
	one_tensor(10, 40, 1, 3, 4, false);
	assert_true(read_all());
	one_tensor(10, 40, 1, 10, 1, false);
	refused("reaches beyond its storage");
	one_tensor(10, 40, 0, 4, 4, false);
	refused("reaches beyond its storage");
	one_tensor(10, 40, 0, 2, INT64_MAX, false);
	refused("reaches beyond its storage");
	one_tensor(10, 40, INT64_MAX, 2, 1, false);
	refused("reaches beyond its storage");
	one_tensor(10, 40, -1, 2, 1, false);
	refused("something else than a storage and numbers");
	one_tensor(10, 40, 0, -2, 1, false);
	refused("not at most 8 counts");
	one_tensor(10, 40, 9, 2, -1, false);
	refused("not at most 8 counts");
	one_tensor(10, 40, 0, INT64_MAX / 2, 0, false);
	refused("tensor 'x'");
	one_tensor(11, 40, 0, 10, 1, false);
	refused("has another size");
	one_tensor(INT64_MAX / 2, 40, 0, 10, 1, false);
	refused("size cannot be");
}

static void test_bombs(void **state)
{
	(void)state;
	one_tensor(16 << 20, 64 << 20, 0, 1, 1, true);          /* 64 MiB in 64 KiB */
	refused("zip bomb");
	itr_buf b = ITR_BUF_INIT;
	itr_buf_puts(&b, "\x80\x02");
	while (b.len < 20u << 20)
		itr_buf_puts(&b, "N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0N0");
	itr_buf_puts(&b, "}.");
	save_zip(&b, 0, true);
	refused("at most 16777216 are read");
	itr_buf_free(&b);
}

/* A pickle of `head`, then `n` times `body`, then `tail`. */
static void repeated(const char *head, const char *body, int n, const char *tail, const char *why)
{
	itr_buf b = ITR_BUF_INIT;
	itr_buf_puts(&b, head);
	for (int i = 0; i < n; i++)
		itr_buf_puts(&b, body);
	itr_buf_puts(&b, tail);
	save_zip(&b, 0, false);
	refused(why);
	itr_buf_free(&b);
}

static void test_greedy_pickles(void **state)
{
	(void)state;
	repeated("\x80\x02", "(", 2000000, ".", "nests more than");
	repeated("\x80\x02", "]", 2000000, ".", "stacks more than");
	repeated("\x80\x02", "]0", 3000000, ".", "makes more than");
	repeated("\x80\x02N", "2", 2000000, ".", "stacks more than");
	/* a list that holds itself a hundred thousand times */
	repeated("\x80\x02]q\x01", "h\x01" "a", 100000, ".", "holds no state_dict");
	repeated("\x80\x02]", "\x85", 1000000, ".", "holds no state_dict");                 /* a million tuples deep */
	repeated("\x80\x02]q\x01", "h\x01h\x01\x86q\x01", 100000, ".", "holds no state_dict");     /* 2^100000 leaves, were it walked */
	repeated("\x80\x02Nr\xff\xff\xff\x7f", "", 0, ".", "memo number is out of bounds");
	repeated("\x80\x02h\x05", "", 0, ".", "memo number was never given");
	repeated("\x80\x02X\xff\xff\xff\x7f", "", 0, "abc.", "it ends here");
	repeated("\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\xff", "", 0, "abc.", "it ends here");
	repeated("\x80\x02\x8b\xff\xff\xff\xff", "", 0, "abc.", "it ends here");
	repeated("\x80\x02", "", 0, "", "it ends here");
	repeated("\x80\x02", "", 0, ".", "the stack is empty");
}

static void test_odd_pickles(void **state)
{
	(void)state;
	static const char *const odd[][2] = {
		{ "t.", "a mark is missing" },
		{ "N)R.", "no function" },
		{ "ccollections\nOrderedDict\nNR.", "no function" },
		{ "NNb.", "has none" },
		{ "}Ns.", "the stack is empty" },
		{ "}(Nu.", "a key has no value" },
		{ "](NNu.", "no dict" },
		{ "}Na.", "no list" },
		{ "NQ.", "names no storage" },
		{ "I12x\n.", "cannot be read" },
		{ "I99999999999999999999\n.", "cannot be read" },
		{ "Iabc", "has no end" },
		{ "S'abc\n.", "has no quotes" },
		{ "p-5\n.", "the stack is empty" },
		{ "Np-5\n.", "out of bounds" },
		{ "NN\x93.", "has no name" },
		{ "\x82\x01.", "opcode 0x82" },
		{ "\x95\x01\x01.", "it ends here" },
		{ "ccollections\nOrderedDict\n(KKtR.", "something else than pairs" },
		{ "ctorch\nSize\n)R.", "holds no counts" },
		{ "ctorch._utils\n_rebuild_parameter\n)R.", "holds no tensor" },
		{ "ctorch._utils\n_rebuild_tensor_v2\n)R.", "something else than" },
		{ "ctorch\nFloatStorage\n)R.", "no function" },
		{ "cos\nsystem\n.", "wants to run os.system" },
		{ "c\x1b[2J\nx y\n.", "wants to run ?[2J.x?y" },
		{ "N.", "no dict with tensors" },
		{ "}.", "no dict with tensors" },
		{ "ctorch.jit\n_script.\n.", "wants to run torch.jit._script." },
		{ "cargparse\nNamespace\n)\x81}b.", "no dict with tensors" },
		{ "cargparse\nNamespace\n)\x81(NNNu.", "no dict with tensors" },
		{ "\x8f(KK\x90.", "" },
		{ "cargparse\nNamespace\n)\x81)R.", "no function" },
		{ "(NN\x91.", "no dict with tensors" },
		{ "\x91.", "a mark is missing" },
		{ "]\x90.", "a mark is missing" },
		{ "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nN)NtR.", "something else than a tensor" },
		{ "ctorch._tensor\n_rebuild_from_type_v2\n)R.", "something else than a tensor" },
		{ "cargparse\nArgumentParser\n.", "wants to run argparse.ArgumentParser" },
		{ "cnumpy\nsave\n.", "wants to run numpy.save" },
		{ "cbuiltins\neval\n.", "wants to run builtins.eval" },
		{ "c__builtin__\ngetattr\n.", "wants to run __builtin__.getattr" },
		{ "cpathlib\nPath.touch\n.", "wants to run pathlib.Path.touch" },
		{ "ccopyreg\n_reconstructor\n)R)R.", "no function" },
		{ "ctorch\nload\n.", "wants to run torch.load" },
		{ "ctorch.cuda\nload\n.", "wants to run torch" },
		{ "(ctorch\nSize\no.", "an object of a class" },
	};
	for (int i = 0; i < ITR_LEN(odd); i++)
		repeated("\x80\x02", "", 0, odd[i][0], odd[i][1]);
}

/* --- safetensors ---------------------------------------------------------------------------------------------------------------------- */

static void safetensors(uint64_t header, const char *json, size_t data, const char *why)
{
	itr_buf b = ITR_BUF_INIT;
	header = header ? header : strlen(json);
	for (int i = 0; i < 8; i++)
		itr_buf_putc(&b, (char)(header >> 8 * i));
	itr_buf_puts(&b, json);
	for (size_t i = 0; i < data; i++)
		itr_buf_putc(&b, 1);
	save(b.data, b.len);
	if (why)
		refused(why);
	else
		assert_true(read_all());
	itr_buf_free(&b);
}

static void test_safetensors(void **state)
{
	(void)state;
	static const char a[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
	safetensors(0, a, 8, NULL);
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"__metadata__\":{\"x\":\"y\"}}     ", 8, NULL);
	safetensors(0,
	            "{\"b\":{\"dtype\":\"U8\",\"shape\":[0,99999999999],\"data_offsets\":[0,0]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
	            "\"data_offsets\":[0,8]}}",
	            8, NULL);
	safetensors(1000, a, 8, "does not fit");
	safetensors(UINT64_MAX, a, 8, "does not fit");
	safetensors((uint64_t)1 << 63, a, 8, "does not fit");
	safetensors(1, a, 8, "does not fit");
	safetensors(0, a, 7, "ends 1 bytes after the end");
	safetensors(0, a, 9, "1 bytes after the last tensor");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "leaves a hole");
	safetensors(0,
	            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_"
	            "offsets\":[4,12]}}",
	            12, "overlaps another");
	safetensors(0,
	            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_"
	            "offsets\":[0,8]}}",
	            8, "overlaps another");
	safetensors(0,
	            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
	            "offsets\":[12,16]}}",
	            16, "leaves a hole");
	safetensors(0,
	            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_"
	            "offsets\":[8,16]}}",
	            16, "'a'");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "no proper data_offsets");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}", 8, "no proper data_offsets");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "no proper data_offsets");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "no proper data_offsets");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "need 3 elements of 4");
	safetensors(0, "{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "need 2 elements of 8");
	/* of 8 it is listed, and refused when it is read */
	safetensors(0, "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[7],\"data_offsets\":[0,8]}}", 8, "need 7 elements of 1");
	safetensors(0, "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2, "need 3 elements of 4 bits");
	safetensors(0, "{\"a\":{\"dtype\":\"F9\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8, "'F9', which is not read");
	safetensors(0, "{\"a\":{\"shape\":[8],\"data_offsets\":[0,8]}}", 8, "which is not read");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,2],\"data_offsets\":[0,8]}}", 8,
	            "more elements than can be counted");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]}}", 8, "no count");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "no count");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, "at most 8 dimensions");
	safetensors(0, "{\"a\":{\"dtype\":\"F32\",\"shape\":\"2\",\"data_offsets\":[0,8]}}", 8, "at most 8 dimensions");
	safetensors(0, "{\"a\":5}", 0, "describes no tensor");
	safetensors(0, "{\"\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "name is empty");
	safetensors(0, "{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, NULL);
	safetensors(0, "{}", 0, "no tensors");
	safetensors(0, "{\"a\":", 20, "");
}

static int setup(void **state)
{
	(void)state;
	char template[] = "/tmp/itr-weights.XXXXXX";
	damaged = itr_xasprintf("%s/damaged", mkdtemp(template) ? template : "");
	/* A hang or an allocation on the file's word is a failure, not a wait. (The sanitizers reserve terabytes, so no limit on addresses
	 * there.) */
	alarm(580);
#if !defined(__SANITIZE_ADDRESS__)
	setrlimit(RLIMIT_AS, &(struct rlimit){ (rlim_t)2 << 30, (rlim_t)2 << 30 });
#endif
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	char *dir = itr_path_dirname(damaged);
	itr_err err = ITR_ERR_INIT;
	int rc = itr_path_remove_tree(dir, &err);
	free(dir);
	free(damaged);
	return rc;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wishes),      cmocka_unit_test(test_views),
		cmocka_unit_test(test_bombs),       cmocka_unit_test(test_greedy_pickles),
		cmocka_unit_test(test_odd_pickles), cmocka_unit_test(test_safetensors),
		cmocka_unit_test(test_cut),         cmocka_unit_test(test_flips),
	};
	return cmocka_run_group_tests_name("corrupt_weights", tests, setup, teardown);
}
