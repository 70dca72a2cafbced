/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "xenram/mapcache.h"

#include <errno.h>
#include <string.h>

#include "mapcache/cache.h"
#include "mapcache/piece.h"

/*
 * What is a word in the guest is one access, so that it is neither torn nor
 * read twice; memcpy promises neither.
 */
union word {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
};

static bool is_word(const void *guest, uint64_t len)
{
    return len <= sizeof(union word) && (len & (len - 1)) == 0 &&
           ((uintptr_t)guest & (len - 1)) == 0;
}

static void copy_in(void *to, const void *guest, uint64_t len)
{
    union word word;

    if (!is_word(guest, len)) {
        memcpy(to, guest, len);
        return;
    }
    if (len == 8)
        word.u64 = *(const volatile uint64_t *)guest;
    else if (len == 4)
        word.u32 = *(const volatile uint32_t *)guest;
    else if (len == 2)
        word.u16 = *(const volatile uint16_t *)guest;
    else
        word.u8 = *(const volatile uint8_t *)guest;
    memcpy(to, &word, len);
}

static void copy_out(void *guest, const void *from, uint64_t len)
{
    union word word;

    if (!is_word(guest, len)) {
        memcpy(guest, from, len);
        return;
    }
    memcpy(&word, from, len);
    if (len == 8)
        *(volatile uint64_t *)guest = word.u64;
    else if (len == 4)
        *(volatile uint32_t *)guest = word.u32;
    else if (len == 2)
        *(volatile uint16_t *)guest = word.u16;
    else
        *(volatile uint8_t *)guest = word.u8;
}

/* Copy within one page that cannot be shown in the window now. */
static int copy_aside(struct xen_mapcache *cache, uint64_t gpa, uint8_t *in,
                      const uint8_t *out, size_t len)
{
    void *page;
    int rc;

    rc = cache_map_aside(cache, gpa >> PAGE_SHIFT, 1, &page);
    if (rc)
        return rc;
    if (in)
        copy_in(in, (uint8_t *)page + gpa % PAGE, len);
    else
        copy_out((uint8_t *)page + gpa % PAGE, out, len);
    foreign_aside_unmap(&cache->foreign, page, 1);
    return 0;
}

/* Copy a first part of [gpa, gpa + len); returns its bytes or -errno. */
static int64_t copy_some(struct xen_mapcache *cache, uint64_t gpa, uint8_t *in,
                         const uint8_t *out, uint64_t len)
{
    unsigned access = out ? CACHE_WRITE : 0;
    struct piece piece;
    uint64_t n = first_piece(cache, gpa, len, &piece);
    int rc;

    if (!piece_hit(cache, &piece, access)) {
        /* Page by page from here, to go as far as there are pages. */
        n = PAGE - gpa % PAGE;
        n = first_piece(cache, gpa, len < n ? len : n, &piece);
    }
    for (unsigned tries = 0; !piece_usable(cache, &piece, access); tries++) {
        rc = piece_fill(cache, &piece, access, true, tries);
        if (rc == -EBUSY) {
            rc = copy_aside(cache, gpa, in, out, n);
            return rc ? rc : (int64_t)n;
        }
        if (rc == -EAGAIN)
            cache_synchronize(cache);
        else if (rc)
            return rc;
    }
    if (in)
        copy_in(in, cache->window + gpa, n);
    else
        copy_out(cache->window + gpa, out, n);
    return (int64_t)n;
}

/* in or out is NULL. */
static int copy(struct xen_mapcache *cache, uint64_t gpa, uint8_t *in,
                const uint8_t *out, size_t len, size_t *done)
{
    uint64_t copied = 0, end = len;
    int64_t n = 0;
    int rc = check_range(cache, gpa, len);

    if (rc == -ERANGE)
        end = gpa < cache->size ? cache->size - gpa : 0;
    else if (rc)
        end = 0;
    while (copied < end) {
        n = copy_some(cache, gpa + copied, in ? in + copied : NULL,
                      out ? out + copied : NULL, end - copied);
        if (n < 0) {
            rc = (int)n;
            break;
        }
        copied += (uint64_t)n;
    }
    if (done)
        *done = copied;
    return rc;
}

int xen_mapcache_read(struct xen_mapcache *cache, uint64_t gpa, void *buf,
                      size_t len, size_t *done)
{
    return copy(cache, gpa, buf, NULL, len, done);
}

int xen_mapcache_write(struct xen_mapcache *cache, uint64_t gpa,
                       const void *buf, size_t len, size_t *done)
{
    return copy(cache, gpa, NULL, buf, len, done);
}
