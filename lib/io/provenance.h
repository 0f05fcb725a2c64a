/* provenance.h - the record of how a file was made: tool, version, arguments, hashes of the inputs, seed, synthetic or not. Every output
 * contains it unless --no-provenance is given. The same command with the same inputs gives the same bytes: no time, host, number of threads
 * or output path is recorded. */
#ifndef ITR_IO_PROVENANCE_H
#define ITR_IO_PROVENANCE_H

#include "io/json.h"

typedef struct itr_provenance itr_provenance;       /* all functions accept NULL: no provenance. One thread at a time. */

/* Records argv without the options that do not change a result (-j, -v, -q, --progress, --runs-dir, --run-name, --parent-run, --experiment,
 * --track, --no-track, -o, -f). enabled false: itr_provenance_json gives NULL. Free with itr_provenance_free. */
itr_provenance *itr_provenance_new(const char *tool, const char *version, int argc, char **argv, uint64_t seed, bool enabled);
void itr_provenance_free(itr_provenance *p);
/* Records an input file: its path as given and its SHA-256. A file that cannot be read is ignored here, because opening it gives the error.
 * The same path twice is one input. */
void itr_provenance_input(itr_provenance *p, const char *path);
/* The same in a thread, while the caller reads the file: begin starts hashing, end waits for it. One file at a time: begin first ends the
 * one before. */
void itr_provenance_input_begin(itr_provenance *p, const char *path);
void itr_provenance_input_end(itr_provenance *p);
void itr_provenance_set_synthetic(itr_provenance *p);          /* marks the record as synthetic; cannot be undone */
bool itr_provenance_synthetic(const itr_provenance *p);
/* Adds information that is not in the arguments: member `key` of the record, replacing an earlier one. Takes ownership of value. */
void itr_provenance_note(itr_provenance *p, const char *key, itr_json *value);
/* {"tool","version","arguments":[...],"seed":"42","synthetic":bool,"inputs":[{"path","sha256"}], notes}; NULL when disabled. The caller
 * frees.
 */
itr_json *itr_provenance_json(const itr_provenance *p);
void itr_provenance_put(const itr_provenance *p,
                        itr_json *object);                     /* adds the record as member "provenance"; when disabled it does nothing */
char *itr_provenance_text(const itr_provenance *p);            /* the record as compact text; "" when disabled; the caller frees */

#endif
