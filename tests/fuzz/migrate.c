/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * A state that arrives: whatever it is, either all of it is loaded or nothing
 * has changed, and what was loaded can be saved and loaded again.  Each input
 * is tried as it is and with its sum made right, which no mutation would find.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fakexen/fakexen.h"
#include "tests/unit/migrate-sides.h"
#include "tests/unit/sum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct lengths lengths = {
    .rom_size = 3000,
    .rom_max = 2 * PAGE,
    .private_size = 2 * PAGE,
    .private_max = 4 * PAGE,
};

static struct side source, target;
static bool ready;

static void expect(bool holds, const char *what, const char *error)
{
    if (holds)
        return;
    fprintf(stderr, "%s: '%s'\n", what, error);
    abort();
}

static void load_again(void)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct snapshot want, got;
    struct side other;
    struct stream stream;

    side_init_target(&other, &lengths);
    xen_ram_set_phase(target.ram, XEN_RAM_RUNNING);
    stream_save(&target, NULL, &stream);
    expect(stream_load(&other, NULL, &stream, error) == 0, "not again", error);
    side_snapshot(&target, &want);
    side_snapshot(&other, &got);
    for (size_t i = 0; i < 2; i++) {
        want.uarts[i].pre_saves = got.uarts[i].pre_saves;
        /* A subsection that is not needed is one that has its default. */
        if (!want.uarts[i].scratch)
            want.uarts[i].nested = 0;
    }
    expect(memcmp(&want, &got, sizeof(want)) == 0, "not the same", "");
    stream_free(&stream);
    side_fini(&other);
}

static void load_once(uint8_t *data, size_t size)
{
    const struct stream stream = {data, size};
    char error[XEN_MIGRATE_ERROR_MAX];
    struct snapshot before, after;

    if (!ready) {
        sides_init(&source, &target, &lengths, &lengths);
        ready = true;
    }
    side_snapshot(&target, &before);
    if (stream_load(&target, NULL, &stream, error) == 0) {
        load_again();
        sides_fini(&source, &target);
        ready = false;
        return;
    }
    side_snapshot(&target, &after);
    expect(memcmp(&before, &after, sizeof(before)) == 0, "changed", error);
    expect(error[0] != '\0' && !strchr(error, '\n'), "no line", error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    load_once(copy, size);
    if (fix_sum(copy, size))
        load_once(copy, size);
    free(copy);
    return 0;
}
