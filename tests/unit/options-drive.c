/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/capture.h"
#include "tests/unit/options-line.h"

#define LIBXL_DISK(n)                                                          \
    "-drive file=/d" #n ",if=ide,index=" #n                                    \
    ",media=disk,format=raw,cache=writeback "
#define LIBXL_CD(id, bus, unit)                                                \
    "-drive if=none,readonly=on,id=" id ",file=/cd,format=raw "                \
    "-device ide-cd,id=" id ",drive=" id ",bus=" bus ",unit=" unit " "

static int parse(struct line *line, const char *words)
{
    return line_parse(line, "-xen-domid 7 -machine xenfv -m 64", words);
}

static void drives_of_libxl_come_to_their_places(void **state)
{
    /* of drives 0 to 3: id and file, "-": none */
    static const struct {
        const char *words, *drives[8];
    } cases[] = {
        {"", {"-", "-", "-", "-", "-", "-", "-", "-"}},
        {LIBXL_DISK(0), {"ide0-hd0", "/d0", "-", "-", "-", "-", "-", "-"}},
        {LIBXL_DISK(3) LIBXL_DISK(1),
         {"-", "-", "ide0-hd1", "/d1", "-", "-", "ide1-hd1", "/d3"}},
        {LIBXL_DISK(0) LIBXL_CD("ide-5632", "ide.1", "0"),
         {"ide0-hd0", "/d0", "-", "-", "ide-5632", "/cd", "-", "-"}},
        {"-device ide-cd,id=x,drive=y,bus=ide.0,unit=1 "
         "-drive if=none,readonly=on,id=y",
         {"-", "-", "y", "-", "-", "-", "-", "-"}},
        {"-drive if=ide,index=2,readonly=on,media=cdrom,id=ide-5632",
         {"-", "-", "-", "-", "ide-5632", "-", "-", "-"}},
        {"-drive if=ide,index=2,media=cdrom",
         {"-", "-", "-", "-", "ide1-cd0", "-", "-", "-"}},
        {"-drive file=/b -drive file=/a,,b=c,index=0 "
         "-drive file=/c,bus=1,unit=1",
         {"ide0-hd0", "/a,b=c", "ide0-hd1", "/b", "-", "-", "ide1-hd1", "/c"}},
        {"-drive if=none,id=h,file=/h -device ide-hd,bus=ide.1,drive=h",
         {"-", "-", "-", "-", "h", "/h", "-", "-"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct line line;

        assert_int_equal(parse(&line, cases[i].words), 0);
        assert_string_equal(line.log, "");
        for (unsigned j = 0; j < OPTIONS_MAX_DRIVES; j++) {
            const struct options_drive *drive = &line.options.drives[j];

            assert_string_equal(drive->id ? drive->id : "-",
                                cases[i].drives[2 * j]);
            assert_string_equal(drive->file ? drive->file : "-",
                                cases[i].drives[2 * j + 1]);
        }
    }
}

static void a_cdrom_is_read_only_and_a_disk_is_not(void **state)
{
    struct line line;
    const struct options_drive *drives = line.options.drives;

    (void)state;
    assert_int_equal(parse(&line,
                           LIBXL_DISK(0) "-drive file=/d1,index=1,media=cdrom "
                                         "-drive file=/d2,index=2,readonly=on"),
                     0);
    assert_false(drives[0].read_only || drives[0].cdrom);
    assert_true(drives[1].read_only && drives[1].cdrom);
    assert_true(drives[2].read_only && !drives[2].cdrom);
}

static void caches_and_discard_and_formats_are_told_apart(void **state)
{
    static const struct {
        const char *keys;
        enum disk_cache cache;
        bool discard, raw, warned;
    } cases[] = {
        {"", DISK_WRITEBACK, false, false, false},
        {",cache=writeback,format=raw", DISK_WRITEBACK, false, true, false},
        {",cache=none,discard=unmap", DISK_WRITEBACK, true, false, true},
        {",cache=writethrough,discard=on", DISK_WRITETHROUGH, true, false,
         false},
        {",cache=directsync,discard=ignore", DISK_WRITETHROUGH, false, false,
         true},
        {",cache=unsafe,discard=off,aio=native", DISK_UNSAFE, false, false,
         false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct options_drive *drive;
        struct line line;
        char words[128];

        snprintf(words, sizeof(words), "-drive file=/d%s", cases[i].keys);
        assert_int_equal(parse(&line, words), 0);
        drive = &line.options.drives[0];
        assert_int_equal(drive->cache, cases[i].cache);
        assert_int_equal(drive->discard, cases[i].discard);
        assert_int_equal(drive->raw, cases[i].raw);
        assert_int_equal(strstr(line.log, "warn: ") != NULL, cases[i].warned);
    }
}

static void what_no_drive_can_be_is_refused_with_its_key(void **state)
{
    static const struct {
        const char *words, *text, *key;
    } refused[] = {
        {"-drive file=/q,index=0,format=qcow2", "only raw", "format in disk"},
        {"-drive file=/q,index=0,format=vpc", "only raw", "format in disk"},
        {"-drive file=/a,b.img,if=ide,index=0", "commas", "disk"},
        {"-drive file=/a,index=4", "drives 0 to 3", "vdev in disk"},
        {"-drive file=/a,index=-1", "drives 0 to 3", "vdev in disk"},
        {"-drive file=/a,bus=2", "no bus 2", "vdev in disk"},
        {"-drive file=/a,unit=2", "no unit 2", "vdev in disk"},
        {"-drive file=/a,if=scsi", "IDE", "vdev in disk"},
        {"-drive file=/a,if=virtio", "IDE", "vdev in disk"},
        {"-drive file=/a,cache=lots", "cache=lots", "disk"},
        {"-drive file=/a,readonly=maybe", "readonly=maybe", "disk"},
        {"-drive file=/a,discard=maybe", "discard=maybe", "disk"},
        {"-drive file=/a,media=tape", "media=tape", "disk"},
        {"-drive index=0", "file= is missing", "disk"},
        {"-drive file=,index=0", "file= is missing", "disk"},
        {"-drive if=none,file=/a", "needs an id", "disk"},
        {LIBXL_DISK(0) "-drive file=/b,index=0", "another drive", "disk"},
        {LIBXL_DISK(0) LIBXL_DISK(1) LIBXL_DISK(2)
             LIBXL_DISK(3) "-drive file=/e",
         "another drive", "disk"},
        {"-drive file=/a,id=x,index=0 -drive file=/b,id=x,index=1",
         "have this id", "disk"},
        {LIBXL_CD("ide-22", "ide.2", "0"), "no bus 2", "vdev in disk"},
        {LIBXL_CD("ide-22", "ahci0.1", "0"), "ide.0 and ide.1", "hdtype"},
        {"-device ide-cd,drive=x", "ide.0 and ide.1", "hdtype"},
        {"-device ide-cd,bus=ide.0", "drive= is needed", "disk"},
        {"-device ide-tape,bus=ide.0,drive=x", "ide-hd and ide-cd", "disk"},
        {"-device ide-cd,bus=ide.0,drive=x", "no -drive", "disk"},
        {"-drive if=none,id=x,file=/a -device ide-hd,bus=ide.0,drive=x "
         "-device ide-hd,bus=ide.1,drive=x",
         "two devices", "disk"},
        {"-drive if=none,id=x -device ide-hd,bus=ide.0,drive=x",
         "file= is missing", "disk"},
        {"-hda /a", "-drive", "disk"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct line line;
        const char *error;

        if (parse(&line, refused[i].words) != -EINVAL)
            fail_msg("accepted: %s", refused[i].words);
        error = strstr(line.log, "error: ");
        if (!error || !strstr(error, refused[i].text) ||
            !strstr(error, refused[i].key) || lines_of(error) != 1)
            fail_msg("%s: %s", refused[i].words, line.log);
    }
}

static void more_drives_than_there_is_room_for_are_refused(void **state)
{
    struct line line;
    char words[1024] = "";

    (void)state;
    for (unsigned i = 0; i < 17; i++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words),
                 "-drive if=none,id=x%u ", i);
    assert_int_equal(parse(&line, words), -EINVAL);
    assert_non_null(strstr(line.log, "more than 16"));
    words[0] = '\0';
    for (unsigned i = 0; i < 5; i++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words),
                 "-device ide-cd,bus=ide.0,drive=x%u ", i);
    assert_int_equal(parse(&line, words), -EINVAL);
    assert_non_null(strstr(line.log, "more than 4"));
}

static void a_drive_that_no_device_uses_is_warned_of(void **state)
{
    struct line line;

    (void)state;
    assert_int_equal(parse(&line, "-drive if=none,id=scsi0-hd0,file=/b"), 0);
    assert_non_null(strstr(line.log, "warn: -drive id=scsi0-hd0"));
    assert_null(line.options.drives[0].id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drives_of_libxl_come_to_their_places),
        cmocka_unit_test(a_cdrom_is_read_only_and_a_disk_is_not),
        cmocka_unit_test(caches_and_discard_and_formats_are_told_apart),
        cmocka_unit_test(what_no_drive_can_be_is_refused_with_its_key),
        cmocka_unit_test(more_drives_than_there_is_room_for_are_refused),
        cmocka_unit_test(a_drive_that_no_device_uses_is_warned_of),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
