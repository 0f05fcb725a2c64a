/* Decodes pictures for picture_suites.py, which builds it. Standard input: "EXIF ALPHA PATH" a line (EXIF 0 or 1, ALPHA drop or white).
 * Standard output for each: "ok WIDTH HEIGHT WARNINGS WHOLE" (WHOLE: what itr_image_whole says, 0 or 1) and a newline, then the pixels; or
 * "no WHOLE MESSAGE" and a newline. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "image/image.h"

int main(void)
{
	char line[4200], alpha[8];
	int exif, at, warnings;
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (sscanf(line, "%d %7s %n", &exif, alpha, &at) != 2)
			return 2;
		itr_err err = ITR_ERR_INIT;
		itr_image img;
		size_t n;
		char *bytes = itr_path_read_named(line + at, (size_t)1 << 30, &n, &err);
		if (!bytes)
			return 2;
		itr_decode_opts o = { .exif = exif,
			              .alpha = strcmp(alpha, "white") ? ITR_ALPHA_DROP : ITR_ALPHA_WHITE,
			              .warnings = &warnings };
		bool whole = itr_image_whole(bytes, n, line + at, NULL) == 0;
		warnings = 0;
		if (itr_image_decode(&img, bytes, n, line + at, &o, &err) < 0) {
			printf("no %d %s\n", whole, err.msg);
		} else {
			printf("ok %d %d %d %d\n", img.width, img.height, warnings, whole);
			fwrite(img.rgb, 3, (size_t)img.width * (size_t)img.height, stdout);
			itr_image_free(&img);
		}
		fflush(stdout);
		free(bytes);
	}
	return 0;
}
