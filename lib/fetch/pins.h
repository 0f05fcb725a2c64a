/* pins.h - checksums of downloaded files, recorded at their first download ("pinned"): DIR/checksums.jsonl, a
 * {"file","sha256","bytes","phash"} in each line.
 *
 * COCO publishes no checksums. Lines are appended while files arrive. An interruption loses at most the lines of the last second; these
 * files are hashed again. An incomplete last line is ignored. itr_pins_save rewrites the file, sorted. */
#ifndef ITR_FETCH_PINS_H
#define ITR_FETCH_PINS_H

#include "base/err.h"
#include "base/hash.h"
#include "image/phash.h"

typedef struct itr_pin {
	char sha256[ITR_SHA256_HEX];
	int64_t bytes;
	bool has_phash, flat;           /* flat: phash is not meaningful (image/phash.h) */
	itr_phash phash;
} itr_pin;

typedef struct itr_pins itr_pins;

/* Locks the folder for this process (DIR/.lock, released when the process ends) and reads the pins. NULL with err when another process has
 * the lock or a line is damaged. */
itr_pins *itr_pins_open(const char *dir, itr_err *err);
void itr_pins_close(itr_pins *p);

int64_t itr_pins_count(const itr_pins *p);
const char *itr_pins_file(const itr_pins *p, int64_t i);        /* its path relative to DIR; borrowed */
const itr_pin *itr_pins_at(const itr_pins *p, int64_t i);       /* valid until the next itr_pins_add; NULL: removed */
const itr_pin *itr_pins_find(const itr_pins *p, const char *file);         /* NULL: not pinned */

/* Adds or changes a pin; it is appended to the file within a second, or by itr_pins_flush. 0, or -1 with err. */
ITR_MUST_USE int itr_pins_add(itr_pins *p, const char *file, const itr_pin *pin, itr_err *err);
/* Removes the pin of a damaged file; appends a line {"file","dropped":true}. 0, or -1 with err. */
ITR_MUST_USE int itr_pins_drop(itr_pins *p, const char *file, itr_err *err);
ITR_MUST_USE int itr_pins_flush(itr_pins *p, itr_err *err);
/* Rewrites the whole file, sorted by name, atomically. */
ITR_MUST_USE int itr_pins_save(itr_pins *p, itr_err *err);

#endif
