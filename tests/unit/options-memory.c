/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dm/keyval.h"
#include "tests/unit/options-line.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static int parse(struct line *line, const char *words)
{
    return line_parse(line, "-xen-domid 7 -m 64", words);
}

static void sizes_have_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t unit, value;
        int ret;
    } cases[] = {
        {"0", 1, 0, 0},
        {"4096", 1, 4096, 0},
        {"64", MIB, 64 * MIB, 0},
        {"64B", MIB, 64, 0},
        {"3k", MIB, 3072, 0},
        {"7M", 1, 7 * MIB, 0},
        {"2g", 1, 2 * GIB, 0},
        {"1T", MIB, UINT64_C(1) << 40, 0},
        {"0x240000000", 1, 9 * GIB, 0},
        {"0XaM", 1, 10 * MIB, 0},
        {"1024T", 1, UINT64_C(1) << 50, 0},
        {"1025T", 1, 0, -EINVAL},
        {"18446744073709551615", 1, 0, -EINVAL},
        {"18446744073709551616", 1, 0, -EINVAL},
        {"184467440737095516160G", 1, 0, -EINVAL},
        {"", 1, 0, -EINVAL},
        {"M", 1, 0, -EINVAL},
        {"0x", 1, 0, -EINVAL},
        {"-1", 1, 0, -EINVAL},
        {"1.5G", 1, 0, -EINVAL},
        {"1MB", 1, 0, -EINVAL},
        {"1E", 1, 0, -EINVAL},
        {" 1", 1, 0, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < NR(cases); i++) {
        uint64_t value = 0;

        assert_int_equal(keyval_size(cases[i].text, cases[i].unit,
                                     UINT64_C(1) << 50, &value),
                         cases[i].ret);
        assert_int_equal(value, cases[i].value);
    }
}

static void memory_devices_are_read_in_the_words_of_QEMU(void **state)
{
    struct line *line = calloc(1, sizeof(*line));
    const struct options *options = &line->options;

    (void)state;
    assert_int_equal(
        parse(line, "-m 128,slots=3,maxmem=2G "
                    "-device virtio-mem-pci,id=vm0,memdev=b,node=2,"
                    "requested-size=256M,block-size=4M,memaddr=0x400000000 "
                    "-device pc-dimm,memdev=a "
                    "-device pc-dimm,id=d1,memdev=c,addr=0x280000000,slot=2,"
                    "node=1 "
                    "-device virtio-mem-pci,memdev=e "
                    "-object memory-backend-ram,id=a,size=128M,share=on "
                    "-object memory-backend-ram,id=b,size=1G,prealloc=off "
                    "-object memory-backend-ram,size=0x10000000,id=c "
                    "-object memory-backend-ram,id=e,size=64M"),
        0);
    assert_string_equal(line->log, "");
    assert_int_equal(options->ram_mb, 128);
    assert_int_equal(options->slots, 3);
    assert_int_equal(options->maxmem, 2 * GIB);
    assert_int_equal(options->nr_dimms, 2);
    assert_null(options->dimms[0].id);
    assert_string_equal(options->dimms[0].memdev, "a");
    assert_int_equal(options->dimms[0].size, 128 * MIB);
    assert_int_equal(options->dimms[0].addr, 0);
    assert_int_equal(options->dimms[0].slot, -1);
    assert_string_equal(options->dimms[1].id, "d1");
    assert_int_equal(options->dimms[1].size, 256 * MIB);
    assert_int_equal(options->dimms[1].addr, 10 * GIB);
    assert_int_equal(options->dimms[1].slot, 2);
    assert_int_equal(options->dimms[1].node, 1);
    assert_int_equal(options->nr_virtio_mems, 2);
    assert_string_equal(options->virtio_mems[0].id, "vm0");
    assert_string_equal(options->virtio_mems[0].memdev, "b");
    assert_int_equal(options->virtio_mems[0].size, GIB);
    assert_int_equal(options->virtio_mems[0].requested_size, 256 * MIB);
    assert_int_equal(options->virtio_mems[0].block_size, 4 * MIB);
    assert_int_equal(options->virtio_mems[0].addr, 16 * GIB);
    assert_int_equal(options->virtio_mems[0].node, 2);
    assert_int_equal(options->virtio_mems[1].block_size, 2 * MIB);
    assert_int_equal(options->virtio_mems[1].requested_size, 0);
    free(line);
}

static void a_later_m_adds_to_that_of_libxl(void **state)
{
    struct line *line = calloc(1, sizeof(*line));

    (void)state;
    assert_int_equal(parse(line, "-m maxmem=512M"), 0);
    assert_int_equal(line->options.ram_mb, 64);
    assert_int_equal(line->options.maxmem, 512 * MIB);
    assert_int_equal(parse(line, "-m slots=2 -m 32"), 0);
    assert_int_equal(line->options.ram_mb, 32);
    assert_int_equal(line->options.slots, 2);
    assert_int_equal(line->options.maxmem, 0);
    free(line);
}

#define BACKEND "-object memory-backend-ram,id=a,size=128M "

static void what_cannot_be_is_refused_with_the_option(void **state)
{
    static const struct {
        const char *words, *text;
    } cases[] = {
        {"-m 64,maxmem=63", "below the 67108864 bytes of RAM"},
        {"-m 64,maxmem=x", "maxmem=x"},
        {"-m 64,slots=257", "slots=257"},
        {"-m 64,mem=1", "mem= is not known"},
        {"-m 1K", "from 1 to"},
        {"-object memory-backend-file,id=a,size=1M", "only memory-backend-ram"},
        {"-object filter-mirror,id=a", "no network filters"},
        {"-object memory-backend-ram,size=1M", "id= of 1 to 64 bytes"},
        {"-object memory-backend-ram,id=a", "size= is needed"},
        {"-object memory-backend-ram,id=a,size=4095", "whole pages"},
        {"-object memory-backend-ram,id=a,size=9999999T", "size=9999999T"},
        {"-object memory-backend-ram,id=a,size=1M,policy=bind", "policy="},
        {BACKEND BACKEND, "id=a is there twice"},
        {"-device pc-dimm,id=d", "memdev= is needed"},
        {"-device pc-dimm,memdev=b", "no -object memory-backend-ram"},
        {BACKEND "-device pc-dimm,memdev=a,memaddr=0", "memaddr= is not known"},
        {BACKEND "-device pc-dimm,memdev=a,slot=256", "slot=256"},
        {BACKEND "-device pc-dimm,memdev=a,node=65536", "node=65536"},
        {BACKEND "-device pc-dimm,memdev=a,addr=top", "addr=top"},
        {BACKEND "-device pc-dimm,memdev=a -device virtio-mem-pci,memdev=a",
         "another device has this memdev"},
        {BACKEND "-object memory-backend-ram,id=b,size=1G -device "
                 "pc-dimm,memdev=a,id=x -device virtio-mem-pci,memdev=b,id=x",
         "another device has this id"},
        {BACKEND "-device virtio-mem-pci,memdev=a,block-size=512K",
         "power of two from 1 MiB"},
        {BACKEND "-device virtio-mem-pci,memdev=a,block-size=3M", "power of"},
        {BACKEND "-device virtio-mem-pci,memdev=a,requested-size=3M",
         "not a multiple of block-size"},
        {BACKEND "-device virtio-mem-pci,memdev=a,requested-size=130M",
         "above its size"},
        {BACKEND "-device virtio-mem-pci,memdev=a,block-size=256M",
         "no multiple of block-size"},
        {BACKEND "-device pc-dimm,memdev=a -xen-domid-restrict",
         "dm_restrict=0"},
    };
    struct line *line = calloc(1, sizeof(*line));

    (void)state;
    for (size_t i = 0; i < NR(cases); i++) {
        assert_int_equal(parse(line, cases[i].words), -EINVAL);
        if (!strstr(line->log, cases[i].text) ||
            strchr(line->log, '\n') != line->log + strlen(line->log) - 1)
            fail_msg("'%s' does not say '%s' on one line", line->log,
                     cases[i].text);
    }
    free(line);
}

static void there_are_so_many_and_no_more(void **state)
{
    struct line *line = calloc(1, sizeof(*line));
    char words[2000] = "";

    (void)state;
    for (unsigned i = 0; i <= OPTIONS_MAX_VIRTIO_MEMS; i++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words),
                 "-device virtio-mem-pci,memdev=%u ", i);
    assert_int_equal(parse(line, words), -EINVAL);
    assert_non_null(strstr(line->log, "more than 4 virtio-mem devices"));
    words[0] = '\0';
    for (unsigned i = 0; i <= OPTIONS_MAX_DIMMS; i++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words),
                 "-device pc-dimm,memdev=%u ", i);
    assert_int_equal(parse(line, words), -EINVAL);
    assert_non_null(strstr(line->log, "more than 16 DIMMs"));
    words[0] = '\0';
    for (unsigned i = 0; i <= OPTIONS_MAX_BACKENDS; i++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words),
                 "-object memory-backend-ram,id=%u,size=1M ", i);
    assert_int_equal(parse(line, words), -EINVAL);
    assert_non_null(strstr(line->log, "more than 24 backends"));
    free(line);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(memory_devices_are_read_in_the_words_of_QEMU),
        cmocka_unit_test(a_later_m_adds_to_that_of_libxl),
        cmocka_unit_test(what_cannot_be_is_refused_with_the_option),
        cmocka_unit_test(there_are_so_many_and_no_more),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
