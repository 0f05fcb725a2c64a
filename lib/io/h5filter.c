/* The check of a dataset's filters, and the decoder of h5py's lzf. Source of the format: liblzf by Marc Lehmann. A control byte c below 32
 * is followed by c + 1 literal bytes. Otherwise it is a copy: its length is the upper 3 bits of c plus 2 (when they are 7, the next byte is
 * added), and its distance minus 1 is made of the lower 5 bits of c and the next byte. */
#include <stdlib.h>
#include <string.h>

#include "io/h5_internal.h"

enum { LZF = 32000 };

/* Decodes n bytes at `in`. out NULL: only counts. Returns the number of decoded bytes, at most `room`; 0 when the input is damaged or too
 * long. */
static size_t decode(const unsigned char *in, size_t n, unsigned char *out, size_t room)
{
	const unsigned char *end = in + n;
	size_t made = 0;
	while (in < end) {
		size_t control = *in++, length = control >> 5, back;
		if (control < 32) {
			length = control + 1;
			if (length > (size_t)(end - in) || length > room - made)
				return 0;
			if (out)
				memcpy(out + made, in, length);
			in += length;
			made += length;
			continue;
		}
		if (length == 7) {
			if (in == end)
				return 0;
			length += *in++;
		}
		if (in == end)
			return 0;
		back = ((control & 31) << 8) + *in++ + 1;
		length += 2;
		if (back > made || length > room - made)
			return 0;
		for (size_t i = 0; out && i < length; i++)              /* byte by byte: source and destination may overlap */
			out[made + i] = out[made + i - back];
		made += length;
	}
	return made;
}

/* Counts the decoded bytes before it allocates memory. */
static size_t lzf(unsigned flags, size_t n_values, const unsigned values[], size_t n, size_t *size, void **buffer)
{
	const size_t want = n_values >= 3 ? values[2] : 0;
	if (!(flags & H5Z_FLAG_REVERSE) || want == 0 || decode(*buffer, n, NULL, want) != want)
		return 0;
	unsigned char *out = malloc(want);      /* libhdf5 frees it */
	if (!out)
		return 0;
	decode(*buffer, n, out, want);
	free(*buffer);
	*buffer = out;
	*size = want;
	return want;
}

void itr_h5_filters(void)
{
	static const H5Z_class2_t class = { .version = H5Z_CLASS_T_VERS, .id = LZF, .decoder_present = 1, .name = "lzf", .filter = lzf };
	H5PLset_loading_state(0);               /* a file must not make this process load a library */
	if (H5Zfilter_avail(LZF) <= 0)
		H5Zregister(&class);
}

static const char *name_of(H5Z_filter_t id, char *stored)
{
	static const struct {
		H5Z_filter_t id;
		const char *name;
	} known[] = { { LZF, "lzf" },     { 307, "bzip2" }, { 4, "szip" },           { 6, "scale-offset" },
		      { 32001, "blosc" }, { 32004, "lz4" }, { 32008, "bitshuffle" }, { 32013, "zfp" },
		      { 32015, "zstd" },  { 32017, "sz" },  { 32026, "blosc2" } };
	for (int i = 0; i < ITR_LEN(known); i++)
		if (known[i].id == id)
			return known[i].name;
	for (char *s = stored; *s; s++)
		*s = *s > ' ' && *s < 127 ? *s : '?';
	return *stored ? stored : "an unknown filter";
}

int itr_h5_check_filters(const itr_h5 *h, const char *path, hid_t plist, size_t element, itr_err *err)
{
	hsize_t chunk[H5S_MAX_RANK];
	const int n = H5Pget_nfilters(plist), rank = n > 0 ? H5Pget_chunk(plist, H5S_MAX_RANK, chunk) : 0;
	double bytes = (double)element;
	for (int i = 0; i < rank; i++)
		bytes *= (double)chunk[i];
	for (int i = 0; i < n; i++) {
		unsigned flags, values[8] = { 0 };
		size_t n_values = ITR_LEN(values);
		char name[64] = "";
		const H5Z_filter_t id = H5Pget_filter2(plist, (unsigned)i, &flags, &n_values, values, sizeof name, name, NULL);
		name[sizeof name - 1] = 0;
		if (id < 0)
			return itr_h5_fail(h, err, "cannot read dataset '%s'", path);
		if (H5Zfilter_avail(id) <= 0)
			return itr_err_set(err,
			                   "'%s': dataset '%s' is compressed by %s (filter %d), which is not read: save it with gzip, lzf "
			                   "or without compression",
			                   h->path, path, name_of(id, name), (int)id);
		if (id == LZF && (n_values < 3 || (double)values[2] != bytes))
			return itr_err_set(err, "'%s': dataset '%s' is damaged: its lzf filter is for other chunks", h->path, path);
	}
	return 0;
}
