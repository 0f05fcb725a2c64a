/* provenance.h - what made a file: tool, version, arguments, input hashes, seed, synthetic or not. Every output carries it;
 * `--no-provenance` leaves it out. Same command, same inputs -> same bytes: no time, no host, no thread count, no output path beyond what
 * was typed. */
#ifndef ITR_IO_PROVENANCE_H
#define ITR_IO_PROVENANCE_H

#include "io/json.h"

typedef struct itr_provenance itr_provenance;       /* NULL is fine everywhere: no provenance. One thread at a time. */

/* argv is recorded without the options that change no result (-j, -v, -q, --progress, --runs-dir, --run-name, --parent-run, --experiment,
 * --no-track, -o, -f). */
itr_provenance *itr_provenance_new(const char *tool, const char *version, int argc, char **argv, uint64_t seed, bool enabled);
void itr_provenance_free(itr_provenance *p);
/* Notes an input: its path as given, its SHA-256. Files only; a missing file is ignored here (its opener says it better); the same path
 * twice is one input. */
void itr_provenance_input(itr_provenance *p, const char *path);
/* The same beside the reading of the file: a thread hashes from begin on, end waits for it. One at a time; NULL is fine. */
void itr_provenance_input_begin(itr_provenance *p, const char *path);
void itr_provenance_input_end(itr_provenance *p);
void itr_provenance_set_synthetic(itr_provenance *p);          /* sticks: once synthetic, all the way down */
bool itr_provenance_synthetic(const itr_provenance *p);
/* What the arguments do not hold: `value` becomes member `key` of the record, the last one of a key. Takes value over. */
void itr_provenance_note(itr_provenance *p, const char *key, itr_json *value);
/* {"tool","version","arguments":[...],"seed":"42","synthetic":bool,"inputs":[{"path","sha256"}], notes}; NULL when switched off. The caller
 * frees. */
itr_json *itr_provenance_json(const itr_provenance *p);
void itr_provenance_put(const itr_provenance *p,
                        itr_json *object);                     /* adds it as "provenance"; nothing where it is left out (--no-provenance) */
char *itr_provenance_text(const itr_provenance *p);            /* the same as compact text; "" when off; the caller frees */

#endif
