/* pins.h - what every fetched file was when it was fetched first: DIR/checksums.jsonl, one {"file","sha256","bytes","phash"} a line.
 *
 * COCO publishes no checksums, so the first fetch pins them. Lines are appended while files arrive (a kill loses at most the last second,
 * and those files are on disk and are hashed again); a line that was cut off is dropped when the file is read; itr_pins_save rewrites it
 * sorted. */
#ifndef ITR_FETCH_PINS_H
#define ITR_FETCH_PINS_H

#include "base/err.h"
#include "base/hash.h"
#include "image/phash.h"

typedef struct itr_pin {
	char sha256[ITR_SHA256_HEX];
	int64_t bytes;
	bool has_phash, flat;           /* flat: phash says nothing */
	itr_phash phash;
} itr_pin;

typedef struct itr_pins itr_pins;

/* Takes the folder for this process (a lock on DIR/.lock, released when the process ends), reads the pins. NULL with err: another process
 * is at work there; a damaged line. */
itr_pins *itr_pins_open(const char *dir, itr_err *err);
void itr_pins_close(itr_pins *p);

int64_t itr_pins_count(const itr_pins *p);
const char *itr_pins_file(const itr_pins *p, int64_t i);        /* its name below DIR; borrowed */
const itr_pin *itr_pins_at(const itr_pins *p, int64_t i);       /* valid until the next itr_pins_add; NULL: dropped */
const itr_pin *itr_pins_find(const itr_pins *p, const char *file);         /* NULL: not pinned */

/* A new pin, or other values for one: remembered and appended to the file (within a second, or with itr_pins_flush). 0, or -1 with err. */
ITR_MUST_USE int itr_pins_add(itr_pins *p, const char *file, const itr_pin *pin, itr_err *err);
/* Forgets a pin (its file turned out to be damaged); a line {"file","dropped":true} says so. */
ITR_MUST_USE int itr_pins_drop(itr_pins *p, const char *file, itr_err *err);
ITR_MUST_USE int itr_pins_flush(itr_pins *p, itr_err *err);
/* The whole file anew, sorted by name, atomic. */
ITR_MUST_USE int itr_pins_save(itr_pins *p, itr_err *err);

#endif
