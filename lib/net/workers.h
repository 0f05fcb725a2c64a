/* workers.h - a few threads for blocking work (fsync, checking a file) so that the loop over the sockets does not wait. Private to
 * net. Items are the caller's pointers; between push and take they belong to the threads. */
#ifndef ITR_NET_WORKERS_H
#define ITR_NET_WORKERS_H

#include "base/compat.h"

typedef struct itr_workers itr_workers;

/* At most `capacity` items may be inside at once. `wake` is called from a worker after each item. */
itr_workers *itr_workers_new(int threads, int capacity, void (*work)(void *item), void (*wake)(void *ctx), void *ctx);
void itr_workers_push(itr_workers *w, void *item);
void *itr_workers_take(itr_workers *w);         /* a finished item, or NULL when none is */
void itr_workers_free(itr_workers *w);          /* after every item was taken */

#endif
