/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * What becomes of a block that is not the same on both sides: each row in both
 * directions, under both policies, for each kind of block.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/migrate-sides.h"

#define X_GFN 0xf4000u

struct shape {
    uint64_t size, max;
    bool fixed; /* not resizeable */
};

/* NULL: it loads; otherwise what the refusal says of block x. */
struct row {
    const char *what;
    struct shape old, new;
    const char *old_to_new, *new_to_old; /* under adapt */
    const char *strict_old_to_new, *strict_new_to_old;
};

#define STRICT_LENGTH "here, and the policy is strict: adapt would load it"

static const struct row rows[] = {
    {
        .what = "nothing but the content",
        .old = {5000, 8 * PAGE, false},
        .new = {5000, 8 * PAGE, false},
    },
    {
        .what = "more pages",
        .old = {PAGE, 8 * PAGE, false},
        .new = {3 * PAGE, 8 * PAGE, false},
        .strict_old_to_new =
            "Length mismatch: 0x1000 in the stream, 0x3000 " STRICT_LENGTH,
        .strict_new_to_old =
            "Length mismatch: 0x3000 in the stream, 0x1000 " STRICT_LENGTH,
    },
    {
        .what = "a byte more in the same page",
        .old = {5000, 8 * PAGE, false},
        .new = {5001, 8 * PAGE, false},
        .strict_old_to_new =
            "Length mismatch: 0x1388 in the stream, 0x1389 " STRICT_LENGTH,
        .strict_new_to_old =
            "Length mismatch: 0x1389 in the stream, 0x1388 " STRICT_LENGTH,
    },
    {
        .what = "a byte more, which needs a page",
        .old = {2 * PAGE, 8 * PAGE, false},
        .new = {2 * PAGE + 1, 8 * PAGE, false},
        .strict_old_to_new =
            "Length mismatch: 0x2000 in the stream, 0x2001 " STRICT_LENGTH,
        .strict_new_to_old =
            "Length mismatch: 0x2001 in the stream, 0x2000 " STRICT_LENGTH,
    },
    {
        .what = "to exactly the other side's maximum",
        .old = {2 * PAGE, 4 * PAGE, false},
        .new = {4 * PAGE, 8 * PAGE, false},
        .strict_old_to_new =
            "Length mismatch: 0x2000 in the stream, 0x4000 " STRICT_LENGTH,
        .strict_new_to_old =
            "Length mismatch: 0x4000 in the stream, 0x2000 " STRICT_LENGTH,
    },
    {
        .what = "one page over the other side's maximum",
        .old = {2 * PAGE, 4 * PAGE, false},
        .new = {5 * PAGE, 8 * PAGE, false},
        .new_to_old = "Length too large: 0x5000 in the stream, 0x2000 here, "
                      "at most 0x4000: start with a larger maximum",
        .strict_old_to_new =
            "Length mismatch: 0x2000 in the stream, 0x5000 " STRICT_LENGTH,
        .strict_new_to_old = "Length too large: 0x5000 in the stream, 0x2000 "
                             "here, at most 0x4000",
    },
    {
        .what = "one byte over the other side's maximum",
        .old = {2 * PAGE, 4 * PAGE, false},
        .new = {4 * PAGE + 1, 8 * PAGE, false},
        .new_to_old = "Length too large: 0x4001 in the stream, 0x2000 here, "
                      "at most 0x4000: start with a larger maximum",
        .strict_old_to_new =
            "Length mismatch: 0x2000 in the stream, 0x4001 " STRICT_LENGTH,
        .strict_new_to_old = "Length too large: 0x4001 in the stream, 0x2000 "
                             "here, at most 0x4000",
    },
    {
        .what = "another maximum",
        .old = {2 * PAGE, 4 * PAGE, false},
        .new = {2 * PAGE, 8 * PAGE, false},
        .strict_old_to_new =
            "max length 0x4000 in the stream, 0x8000 " STRICT_LENGTH,
        .strict_new_to_old =
            "max length 0x8000 in the stream, 0x4000 " STRICT_LENGTH,
    },
    {
        .what = "resizeable on one side",
        .old = {2 * PAGE, 8 * PAGE, true},
        .new = {2 * PAGE, 8 * PAGE, false},
        .strict_old_to_new =
            "not resizeable in the stream, resizeable " STRICT_LENGTH,
        .strict_new_to_old =
            "resizeable in the stream, not resizeable " STRICT_LENGTH,
    },
    {
        .what = "resizeable on one side, and longer",
        .old = {2 * PAGE, 8 * PAGE, true},
        .new = {3 * PAGE, 8 * PAGE, false},
        .new_to_old = "Length mismatch: 0x3000 in the stream, 0x2000 here, "
                      "and it cannot be resized: use the length it was saved",
        .strict_old_to_new =
            "Length mismatch: 0x2000 in the stream, 0x3000 " STRICT_LENGTH,
        .strict_new_to_old = "Length mismatch: 0x3000 in the stream, 0x2000 "
                             "here, and it cannot be resized",
    },
    {
        .what = "resizeable on neither side, and a byte longer",
        .old = {5000, 2 * PAGE, true},
        .new = {5001, 2 * PAGE, true},
        .old_to_new = "Length mismatch: 0x1388 in the stream, 0x1389 here, "
                      "and it cannot be resized: use the length it was saved",
        .new_to_old = "Length mismatch: 0x1389 in the stream, 0x1388 here, "
                      "and it cannot be resized: use the length it was saved",
        .strict_old_to_new = "Length mismatch: 0x1388 in the stream, 0x1389 "
                             "here, and it cannot be resized",
        .strict_new_to_old = "Length mismatch: 0x1389 in the stream, 0x1388 "
                             "here, and it cannot be resized",
    },
};

static const struct {
    enum xen_ram_kind kind;
    unsigned flags;
} kinds[] = {
    {XEN_RAM_VISIBLE, 0},
    {XEN_RAM_VISIBLE, XEN_RAM_ROM},
    {XEN_RAM_PRIVATE, 0},
};
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct change {
    uint64_t old_length, new_length;
    unsigned calls;
};

static void note_change(struct xen_ram_block *block, uint64_t old_length,
                        uint64_t new_length, void *opaque)
{
    struct change *change = opaque;

    assert_int_equal(xen_ram_used_length(block), new_length);
    change->old_length = old_length;
    change->new_length = new_length;
    change->calls++;
}

static struct xen_ram_block *add_x(struct side *side, size_t kind,
                                   const struct shape *shape,
                                   struct change *change)
{
    const struct xen_ram_spec spec = {
        .idstr = "x",
        .kind = kinds[kind].kind,
        .flags = kinds[kind].flags | (shape->fixed ? 0 : XEN_RAM_RESIZEABLE),
        .gfn = kinds[kind].kind == XEN_RAM_PRIVATE ? XEN_RAM_NO_GFN : X_GFN,
        .size = shape->size,
        .max_length = shape->max,
        .resized = note_change,
        .opaque = change,
    };

    return side_add(side, &spec);
}

/* Another content on each side: the target's own must not come through. */
static void fill(struct side *side, struct xen_ram_block *block, uint8_t seed)
{
    uint64_t size = xen_ram_size(block);
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(seed + i * 3 + (i >> 8));
    assert_int_equal(xen_ram_write(side->ram, block, 0, bytes, size), 0);
    free(bytes);
}

struct pair {
    struct side source, target;
    struct xen_ram_block *there, *here;
    struct change change;
};

static void pair_init(struct pair *pair, size_t kind, const struct shape *there,
                      const struct shape *here)
{
    static struct change unused;

    fakexen_reset();
    fakexen_create(&(struct fakexen_domain){
        .domid = SOURCE_DOMID,
        .pages = LOW_PAGES,
    });
    side_init_source(&pair->source, &usual);
    pair->there = add_x(&pair->source, kind, there, &unused);
    fill(&pair->source, pair->there, 0x21);
    for (uint64_t gfn = 0; gfn < LOW_PAGES; gfn++)
        memset(fakexen_host(SOURCE_DOMID, gfn), (int)(0x40 + gfn), PAGE);

    fakexen_create(&(struct fakexen_domain){.domid = TARGET_DOMID});
    fakexen_copy_memory(TARGET_DOMID, SOURCE_DOMID);
    side_init_target(&pair->target, &usual);
    pair->change.calls = 0;
    pair->here = add_x(&pair->target, kind, here, &pair->change);
    if (kinds[kind].kind == XEN_RAM_PRIVATE)
        fill(&pair->target, pair->here, 0x77);
}

static void assert_x_came(struct pair *pair, const struct shape *here)
{
    uint64_t used = xen_ram_used_length(pair->there);
    uint8_t *want = malloc(used);
    uint8_t *got = malloc(used);

    assert_non_null(want);
    assert_non_null(got);
    assert_int_equal(xen_ram_size(pair->here), xen_ram_size(pair->there));
    assert_int_equal(xen_ram_used_length(pair->here), used);
    assert_int_equal(xen_ram_max_length(pair->here), here->max);
    assert_int_equal(xen_ram_read(pair->source.ram, pair->there, 0, want, used),
                     0);
    assert_int_equal(xen_ram_read(pair->target.ram, pair->here, 0, got, used),
                     0);
    assert_memory_equal(got, want, used);
    free(want);
    free(got);

    if (xen_ram_size(pair->here) == here->size) {
        assert_int_equal(pair->change.calls, 0);
        return;
    }
    assert_int_equal(pair->change.calls, 1);
    assert_int_equal(pair->change.old_length,
                     (here->size + PAGE - 1) / PAGE * PAGE);
    assert_int_equal(pair->change.new_length, used);
}

static void assert_not_changed(struct pair *pair, const struct shape *here,
                               const struct stream *stream)
{
    struct stream again;

    assert_int_equal(pair->change.calls, 0);
    assert_int_equal(xen_ram_size(pair->here), here->size);
    /* The source goes on, and can be saved again. */
    stream_save(&pair->source, NULL, &again);
    assert_int_equal(again.len, stream->len);
    assert_memory_equal(again.bytes, stream->bytes, stream->len);
    stream_free(&again);
}

static void try_one(const char *what, size_t kind, const struct shape *there,
                    const struct shape *here, enum xen_migrate_policy policy,
                    const char *refusal)
{
    const struct xen_migrate_options options = {.policy = policy};
    char error[XEN_MIGRATE_ERROR_MAX], text[XEN_MIGRATE_ERROR_MAX];
    struct snapshot before, after;
    struct stream stream;
    struct pair pair;
    int r;

    pair_init(&pair, kind, there, here);
    stream_save(&pair.source, NULL, &stream);
    side_snapshot(&pair.target, &before);
    r = stream_load(&pair.target, &options, &stream, error);
    if (r != (refusal ? -EINVAL : 0))
        fail_msg("%s, kind %zu, policy %d: %d '%s'", what, kind, policy, r,
                 error);
    if (refusal) {
        snprintf(text, sizeof(text), "block x: %s", refusal);
        assert_text(error, text);
        side_snapshot(&pair.target, &after);
        assert_memory_equal(&before, &after, sizeof(before));
        assert_not_changed(&pair, here, &stream);
    } else {
        assert_string_equal(error, "");
        assert_same(&pair.source, &pair.target);
        assert_x_came(&pair, here);
    }
    stream_free(&stream);
    sides_fini(&pair.source, &pair.target);
}

static void every_difference_loads_or_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];

        for (size_t kind = 0; kind < NR_KINDS; kind++) {
            try_one(row->what, kind, &row->old, &row->new, XEN_MIGRATE_ADAPT,
                    row->old_to_new);
            try_one(row->what, kind, &row->new, &row->old, XEN_MIGRATE_ADAPT,
                    row->new_to_old);
            try_one(row->what, kind, &row->old, &row->new, XEN_MIGRATE_STRICT,
                    row->strict_old_to_new);
            try_one(row->what, kind, &row->new, &row->old, XEN_MIGRATE_STRICT,
                    row->strict_new_to_old);
        }
    }
}

/* ---- blocks that are there once, or twice ------------------------------- */

static void refuse(struct side *target, const struct stream *stream, int r,
                   const char *text)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct snapshot before, after;

    side_snapshot(target, &before);
    assert_int_equal(stream_load(target, NULL, stream, error), r);
    assert_text(error, text);
    side_snapshot(target, &after);
    assert_memory_equal(&before, &after, sizeof(before));
}

static void a_block_of_one_side_only_is_refused(void **state)
{
    static const struct shape shape = {PAGE, PAGE, false};
    static struct change unused;

    (void)state;
    for (size_t kind = 0; kind < NR_KINDS; kind++) {
        struct side source, target;
        struct stream without, with;

        sides_init(&source, &target, &usual, &usual);
        stream_save(&source, NULL, &without);
        add_x(&source, kind, &shape, &unused);
        stream_save(&source, NULL, &with);
        refuse(&target, &with, -EINVAL,
               "block x: unknown here, 0x1000 bytes in the stream: configure "
               "the device that owns it");
        add_x(&target, kind, &shape, &unused);
        refuse(&target, &without, -EINVAL,
               "block x: 0x1000 bytes here, missing in the stream: leave out "
               "the device that owns it");
        stream_free(&with);
        stream_free(&without);
        sides_fini(&source, &target);
    }
}

#define OWNED "\x10xenram/ownership"
#define COUNT (17 + 8 + 3) /* its low byte, from there */
#define RECORD_LEN 43u     /* of a block with a name of one byte */

static void a_block_that_is_twice_is_refused(void **state)
{
    static const struct shape shape = {PAGE, PAGE, false};
    static const char *const texts[NR_KINDS] = {
        "block x: twice in the stream, as records 3 and 4",
        "block x: twice in the stream, as records 3 and 4",
        "section ram", /* which has it once */
    };

    (void)state;
    for (size_t kind = 0; kind < NR_KINDS; kind++) {
        char start[3] = {1, 'x', (char)kinds[kind].kind};
        uint8_t record[RECORD_LEN];
        struct stream stream;
        struct pair pair;
        size_t at;

        pair_init(&pair, kind, &shape, &shape);
        stream_save(&pair.source, NULL, &stream);
        at = stream_find(&stream, 0, start, sizeof(start));
        memcpy(record, stream.bytes + at, sizeof(record));
        stream_replace(&stream, at, 0, record, sizeof(record));
        stream.bytes[stream_find(&stream, 0, OWNED, 17) + COUNT]++;
        stream_fix_sum(&stream);
        refuse(&pair.target, &stream,
               kinds[kind].kind == XEN_RAM_PRIVATE ? -EBADMSG : -EINVAL,
               texts[kind]);
        stream_free(&stream);
        sides_fini(&pair.source, &pair.target);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_difference_loads_or_is_refused_by_name),
        cmocka_unit_test(a_block_of_one_side_only_is_refused),
        cmocka_unit_test(a_block_that_is_twice_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
