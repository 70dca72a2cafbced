/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/fakexen/private.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct rule {
    int error; /* 0: none */
    uint64_t skip, count;
    bool forever, hit;
};

struct refusal {
    struct refusal *next;
    uint32_t domid;
    uint64_t gfn;
    int error;
};

static struct {
    struct rule rules[FAKEXEN_NR_KINDS + 1];
    struct refusal *refusals;
    uint64_t ns_call[FAKEXEN_NR_KINDS], ns_page[FAKEXEN_NR_KINDS];
    uint64_t calls[FAKEXEN_NR_KINDS], pages[FAKEXEN_NR_KINDS];
    uint64_t unknown;
    fakexen_hook_fn *hook;
    void *hook_opaque;
} inject;

static __thread bool in_hook;

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Sleeping costs 50 us at least, which is more than most latencies. */
static void spin(uint64_t ns)
{
    uint64_t end = now_ns() + ns;

    while (now_ns() < end)
        __builtin_ia32_pause();
}

static int apply(struct rule *rule)
{
    if (rule->error == 0)
        return 0;
    if (rule->skip > 0) {
        rule->skip--;
        return 0;
    }
    if (!rule->forever) {
        if (rule->count == 0)
            return 0;
        rule->count--;
    }
    rule->hit = true;
    return -rule->error;
}

void fx_count(enum fakexen_kind kind, uint64_t pages)
{
    inject.calls[kind]++;
    inject.pages[kind] += pages;
}

int fx_enter(enum fakexen_kind kind, uint64_t pages)
{
    fakexen_hook_fn *hook;
    void *opaque;
    uint64_t ns;
    int rc, any;

    fx_lock();
    hook = in_hook ? NULL : inject.hook;
    opaque = inject.hook_opaque;
    ns = inject.ns_call[kind] + inject.ns_page[kind] * pages;
    if (hook || ns) {
        fx_unlock();
        if (hook) {
            in_hook = true;
            hook(kind, opaque);
            in_hook = false;
        }
        spin(ns);
        fx_lock();
    }
    fx_count(kind, pages);
    rc = apply(&inject.rules[kind]);
    any = apply(&inject.rules[FAKEXEN_ANY]);
    if (rc == 0)
        rc = any;
    if (rc)
        fx_unlock();
    return rc;
}

int fx_result(int rc)
{
    if (rc < 0) {
        errno = -rc;
        return -1;
    }
    return rc;
}

int fx_leave(int rc)
{
    fx_unlock();
    return fx_result(rc);
}

void fx_count_unknown(void)
{
    inject.unknown++;
}

int fx_refused(uint32_t domid, uint64_t gfn)
{
    struct refusal *r;

    for (r = inject.refusals; r; r = r->next)
        if (r->domid == domid && r->gfn == gfn)
            return -r->error;
    return 0;
}

void fx_inject_reset(void)
{
    struct refusal *r;

    while ((r = inject.refusals) != NULL) {
        inject.refusals = r->next;
        fx_free(r);
    }
    memset(&inject, 0, sizeof(inject));
}

void fakexen_fail(enum fakexen_kind kind, unsigned nth, unsigned count,
                  int error)
{
    fx_lock();
    inject.rules[kind] = (struct rule){
        .error = error,
        .skip = nth ? nth - 1 : 0,
        .count = count,
        .forever = count == 0,
    };
    fx_unlock();
}

bool fakexen_failed(enum fakexen_kind kind)
{
    bool hit;

    fx_lock();
    hit = inject.rules[kind].hit;
    fx_unlock();
    return hit;
}

void fakexen_refuse(uint32_t domid, uint64_t gfn, int error)
{
    struct refusal **link = &inject.refusals, *r;

    fx_lock();
    while ((r = *link) != NULL && (r->domid != domid || r->gfn != gfn))
        link = &r->next;
    if (error == 0 && r) {
        *link = r->next;
        fx_free(r);
    } else if (error) {
        if (!r) {
            r = fx_alloc(sizeof(*r));
            r->next = inject.refusals;
            inject.refusals = r;
        }
        r->domid = domid;
        r->gfn = gfn;
        r->error = error;
    }
    fx_unlock();
}

void fakexen_latency(enum fakexen_kind kind, uint64_t ns_call, uint64_t ns_page)
{
    fx_lock();
    inject.ns_call[kind] = ns_call;
    inject.ns_page[kind] = ns_page;
    fx_unlock();
}

static uint64_t sum(const uint64_t *counters, enum fakexen_kind kind)
{
    uint64_t total = 0;

    fx_lock();
    for (int i = 0; i < FAKEXEN_NR_KINDS; i++)
        if (kind == FAKEXEN_ANY || (int)kind == i)
            total += counters[i];
    fx_unlock();
    return total;
}

uint64_t fakexen_calls(enum fakexen_kind kind)
{
    return sum(inject.calls, kind);
}

uint64_t fakexen_pages(enum fakexen_kind kind)
{
    return sum(inject.pages, kind);
}

uint64_t fakexen_unknown_calls(void)
{
    uint64_t nr;

    fx_lock();
    nr = inject.unknown;
    fx_unlock();
    return nr;
}

void fakexen_reset_counters(void)
{
    fx_lock();
    memset(inject.calls, 0, sizeof(inject.calls));
    memset(inject.pages, 0, sizeof(inject.pages));
    inject.unknown = 0;
    fx_unlock();
}

void fakexen_set_hook(fakexen_hook_fn *fn, void *opaque)
{
    fx_lock();
    inject.hook = fn;
    inject.hook_opaque = opaque;
    fx_unlock();
}
