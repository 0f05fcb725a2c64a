/* workers.h - internal: threads for blocking work (fsync, checking a file), so that the event loop does not wait. Items are pointers of the
 * caller; between push and take the threads use them. */
#ifndef ITR_NET_WORKERS_H
#define ITR_NET_WORKERS_H

#include "base/compat.h"

typedef struct itr_workers itr_workers;

/* At most `capacity` items may be between push and take. A worker calls `wake` after each item. */
itr_workers *itr_workers_new(int threads, int capacity, void (*work)(void *item), void (*wake)(void *ctx), void *ctx);
void itr_workers_push(itr_workers *w, void *item);
void *itr_workers_take(itr_workers *w);         /* a finished item, or NULL */
void itr_workers_free(itr_workers *w);          /* call it after all items have been taken */

#endif
