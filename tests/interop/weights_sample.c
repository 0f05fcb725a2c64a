/* For weights_torch.py: every tensor of each file of the command line to standard output: a line FILE NAME DTYPE RANK SHAPE..., then its
 * float32. A file that cannot be read is a line "error MESSAGE". */
#include <stdio.h>
#include <stdlib.h>

#include "io/weights.h"

int main(int argc, char **argv)
{
	for (int a = 1; a < argc; a++) {
		itr_err err = ITR_ERR_INIT;
		itr_weights *w = itr_weights_open(argv[a], &err);
		for (int64_t i = 0; w && i < itr_weights_count(w); i++) {
			const itr_weight *t = itr_weights_at(w, i);
			float *x = malloc((size_t)t->count * sizeof *x + 1);
			if (!x || itr_weights_read(w, t, x, &err) < 0)
				return 1;
			printf("%d\t%s\t%s\t%d", a - 1, t->name, itr_dtype_name(t->dtype), t->rank);
			for (int d = 0; d < t->rank; d++)
				printf("\t%lld", (long long)t->shape[d]);
			putchar('\n');
			fwrite(x, sizeof *x, (size_t)t->count, stdout);
			free(x);
		}
		if (!w)
			printf("%d\terror\t%s\n", a - 1, err.msg);
		itr_weights_close(w);
	}
	return fflush(stdout) != 0;
}
