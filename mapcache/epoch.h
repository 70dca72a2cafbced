/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MAPCACHE_EPOCH_H
#define MAPCACHE_EPOCH_H

/*
 * Epochs of threads: liburcu's QSBR flavour, and whether the calling thread
 * holds pointers that only its epoch keeps alive.
 */

#include <stdbool.h>

/*
 * liburcu keeps its reader state per thread; this is what it does not tell.
 * Initial-exec: a lookup writes it, and a call to find it would cost as much as
 * the lookup.
 */
struct epoch_thread {
    bool online, holds;
};
extern _Thread_local struct epoch_thread epoch_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Online twice is online once; a thread goes offline before it ends. */
void epoch_online(void);
void epoch_offline(void);
void epoch_quiescent(void);

/* The calling thread keeps a pointer beyond the call that gave it. */
static inline void epoch_hold(void)
{
    epoch_thread.holds = true;
}

static inline bool epoch_holds(void)
{
    return epoch_thread.holds;
}

/*
 * Wait until each other thread has been quiescent or offline since the call.
 * The caller's own epoch ends.  Never call it with a lock that an online thread
 * may be waiting for.
 */
void epoch_synchronize(void);

#endif
