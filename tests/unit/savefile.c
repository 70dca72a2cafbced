/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tool/savefile.h"
#include "tool/source.h"

#include "tests/unit/xl-file.h"
#include "xenram/migrate.h"

static const char state_bytes[] = "QEVM and what a device model says";
#define STATE_LEN (sizeof(state_bytes) - 1)

/* Linked with --wrap=read: what was really read. */
static uint64_t bytes_read;

ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len)
{
    ssize_t n = __real_read(fd, buf, len);

    if (n > 0)
        bytes_read += (uint64_t)n;
    return n;
}

static void make(struct xl_file *file)
{
    xl_file_make(file, "{\"c_info\":{}}", state_bytes, STATE_LEN);
}

static int read_fd(int fd, struct savefile *out, char *error)
{
    struct source source;
    int r;

    source_init(&source, fd, error);
    r = savefile_read(&source, out);
    source_fini(&source);
    return r;
}

static int read_bytes(const void *bytes, size_t len, struct savefile *out,
                      char *error)
{
    int fd = memfd_create("saved", MFD_CLOEXEC);
    int r;

    assert_int_equal(pwrite(fd, bytes, len, 0), len);
    r = read_fd(fd, out, error);
    close(fd);
    return r;
}

struct feeder {
    int fd;
    const struct xl_file *file;
    size_t len;
};

static void *feed(void *opaque)
{
    struct feeder *feeder = opaque;
    size_t done = 0;
    ssize_t n = 1;

    while (n > 0 && done < feeder->len) {
        n = write(feeder->fd, feeder->file->bytes + done, feeder->len - done);
        done += n > 0 ? (size_t)n : 0;
    }
    close(feeder->fd);
    return NULL;
}

static int read_piped(const struct xl_file *file, size_t len,
                      struct savefile *out, char *error)
{
    struct feeder feeder = {.file = file, .len = len};
    pthread_t thread;
    int fds[2];
    int r;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    feeder.fd = fds[1];
    assert_int_equal(pthread_create(&thread, NULL, feed, &feeder), 0);
    r = read_fd(fds[0], out, error);
    pthread_join(thread, NULL);
    close(fds[0]);
    return r;
}

static void assert_state(const struct savefile *found)
{
    char buf[STATE_LEN + 1];

    assert_int_equal(found->state_length, STATE_LEN);
    assert_int_equal(read(found->state_fd, buf, sizeof(buf)), STATE_LEN);
    assert_memory_equal(buf, state_bytes, STATE_LEN);
}

static void assert_found(const struct xl_file *file,
                         const struct savefile *found)
{
    assert_true(found->libxl && found->memory && found->hvm);
    assert_int_equal(found->libxc_version, 3);
    assert_int_equal(found->xen_major, 4);
    assert_int_equal(found->xen_minor, 20);
    assert_int_equal(found->pages, XL_FILE_PAGES);
    assert_int_equal(found->length, file->len);
    assert_string_equal(found->config, "{\"c_info\":{}}");
    assert_int_equal(found->state_offset, file->state);
    assert_state(found);
}

static void the_state_is_found_in_what_xl_saved(void **state)
{
    char error[SOURCE_ERROR_MAX];
    struct savefile found;
    struct xl_file file;

    (void)state;
    make(&file);
    assert_int_equal(read_bytes(file.bytes, file.len, &found, error), 0);
    assert_string_equal(error, "");
    assert_found(&file, &found);
    savefile_fini(&found);

    assert_int_equal(read_piped(&file, file.len, &found, error), 0);
    assert_found(&file, &found);
    savefile_fini(&found);

    /* Without xl's header, as other toolstacks keep it. */
    assert_int_equal(read_bytes(file.bytes + file.libxl, file.len - file.libxl,
                                &found, error),
                     0);
    assert_null(found.config);
    assert_int_equal(found.state_offset, file.state - file.libxl);
    assert_state(&found);
    savefile_fini(&found);
    xl_file_free(&file);
}

static void a_bare_state_is_the_whole_file(void **state)
{
    char error[SOURCE_ERROR_MAX];
    struct savefile found;

    (void)state;
    assert_int_equal(read_bytes(state_bytes, STATE_LEN, &found, error), 0);
    assert_false(found.libxl);
    assert_int_equal(found.state_offset, 0);
    assert_state(&found);
    savefile_fini(&found);
}

static void a_guest_without_device_model_has_no_state(void **state)
{
    char error[SOURCE_ERROR_MAX];
    struct savefile found;
    struct xl_file file;

    (void)state;
    xl_file_make(&file, NULL, NULL, 0);
    assert_int_equal(read_bytes(file.bytes, file.len, &found, error), 0);
    assert_int_equal(found.state_fd, -1);
    assert_false(found.hvm);
    savefile_fini(&found);
    xl_file_free(&file);
}

static void every_cut_is_told_with_its_offset(void **state)
{
    char error[SOURCE_ERROR_MAX], where[48];
    struct savefile found;
    struct xl_file file;

    (void)state;
    make(&file);
    for (size_t len = 0; len < file.len; len++) {
        snprintf(where, sizeof(where), "ends at 0x%zx, within ", len);
        assert_int_equal(read_bytes(file.bytes, len, &found, error), -EBADMSG);
        assert_ptr_equal(strstr(error, where), error);
        savefile_fini(&found);
        if (len % 97 != 0)
            continue;
        assert_int_equal(read_piped(&file, len, &found, error), -EBADMSG);
        assert_ptr_equal(strstr(error, where), error);
        savefile_fini(&found);
    }
    xl_file_free(&file);
}

/* One byte of the file changed, relative to a part of it. */
static void damage_is_told_with_its_offset(void **state)
{
    static const struct {
        size_t part; /* member of struct xl_file; 0: from the start */
        size_t at;
        uint8_t byte;
        int r;
        const char *text;
    } cases[] = {
#define PART(member) offsetof(struct xl_file, member)
        {0, 0, 'x', -EBADMSG, "neither a device model's state nor"},
        {0, 31, 'x', -ENOTSUP, "the header of xl"},
        {0, 32, 1, -ENOTSUP, "byte order 0x01020301"},
        {0, 36, 1, -ENOTSUP, "flags 0x1, not"},
        {0, 48, 0xff, -EBADMSG, "the configuration at 0x30 has 255 bytes"},
        {PART(libxl), 0, 'x', -EBADMSG, "no stream of libxl at 0x"},
        {PART(libxl), 11, 3, -ENOTSUP, "has version 3 and options 0x0"},
        {PART(libxl), 15, 1, -ENOTSUP, "has version 2 and options 0x1"},
        {PART(libxl), 16, 6, -EBADMSG, "type 0x6 of libxl"},
        {PART(libxc), 7, 0, -EBADMSG, "no stream of libxc at 0x"},
        {PART(libxc), 8, 'x', -EBADMSG, "no stream of libxc at 0x"},
        {PART(libxc), 15, 4, -ENOTSUP, "has version 4 and options 0x0"},
        {PART(libxc), 17, 1, -ENOTSUP, "has version 3 and options 0x1"},
        {PART(domain), 0, 3, -EBADMSG, "has type 3 and page shift 12"},
        {PART(domain), 4, 16, -EBADMSG, "has type 2 and page shift 16"},
        {PART(domain), 16, 0x13, -EBADMSG, "type 0x13 of libxc"},
        {PART(domain), 16, 0x0e, -ENOTSUP, "a checkpoint at 0x"},
        {PART(pages), 7, 0x80, -EBADMSG, "at most 134217728 can be"},
        {PART(pages), 8, 0, -EBADMSG, "0 pages at 0x"},
        {PART(pages), 8, 4, -EBADMSG, "4 pages at 0x"},
        {PART(pages), 11, 0xff, -EBADMSG, "4278190083 pages at 0x"},
        {PART(emulator), 4, 7, -EBADMSG, "is too short"},
        {PART(emulator), 8, 1, -ENOTSUP, "is of qemu-xen-traditional"},
        {PART(end), 0, 9, -EBADMSG, "type 0x9 of libxl"},
    };
    char error[SOURCE_ERROR_MAX];
    struct savefile found;
    struct xl_file file;

    (void)state;
    make(&file);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t part = 0;
        uint8_t old;

        if (cases[i].part)
            memcpy(&part, (char *)&file + cases[i].part, sizeof(part));
        old = file.bytes[part + cases[i].at];
        file.bytes[part + cases[i].at] = cases[i].byte;
        assert_int_equal(read_bytes(file.bytes, file.len, &found, error),
                         cases[i].r);
        if (!strstr(error, cases[i].text))
            fail_msg("'%s' is not in '%s'", cases[i].text, error);
        assert_null(strchr(error, '\n'));
        savefile_fini(&found);
        file.bytes[part + cases[i].at] = old;
    }
    xl_file_free(&file);
}

static void records_that_may_be_left_out_are_passed_over(void **state)
{
    char error[SOURCE_ERROR_MAX];
    struct savefile found;
    struct xl_file file;

    (void)state;
    make(&file);
    file.len = file.end;
    xl_file_add(&file, 0x80000001, "news", 4);
    xl_file_add(&file, 2, "\2\0\0\0\0\0\0\0key\0value", 18);
    xl_file_add(&file, 0, NULL, 0);
    assert_int_equal(read_bytes(file.bytes, file.len, &found, error), 0);
    assert_found(&file, &found);
    savefile_fini(&found);
    xl_file_free(&file);
}

/* One more record before the pages. */
static void records_of_libxc_are_checked(void **state)
{
    static const struct {
        uint32_t type;
        uint32_t listed; /* first word of the body */
        size_t len;
        int r;
        const char *text;
    } cases[] = {
        {0x80000013, 0, 5, 0, ""},
        {1, 1, 8 + 8, 0, ""},
        {1, 1, 8 + 8 + 4096, 0, ""},
        {1, 1, 8 + 8 + 2 * 4096, -EBADMSG, "1 pages at 0x"},
        {1, 1, 8 + 8 + 4095, -EBADMSG, "1 pages at 0x"},
        {1, 0, 8, -EBADMSG, "0 pages at 0x"},
        {1, 2, 8 + 8, -EBADMSG, "2 pages at 0x"},
        {1, 0, 4, -EBADMSG, "have 4 bytes"},
    };
    char error[SOURCE_ERROR_MAX];
    struct savefile found;
    struct xl_file file;

    (void)state;
    make(&file);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t body[4 * 4096] = {(uint8_t)cases[i].listed};
        struct xl_file more = {0};

        xl_file_add_bytes(&more, file.bytes, file.pages);
        xl_file_add(&more, cases[i].type, body, cases[i].len);
        xl_file_add_bytes(&more, file.bytes + file.pages,
                          file.len - file.pages);
        assert_int_equal(read_bytes(more.bytes, more.len, &found, error),
                         cases[i].r);
        assert_non_null(strstr(error, cases[i].text));
        savefile_fini(&found);
        xl_file_free(&more);
    }
    xl_file_free(&file);
}

static void a_second_state_is_refused(void **state)
{
    char error[SOURCE_ERROR_MAX];
    struct savefile found;
    struct xl_file file;

    (void)state;
    make(&file);
    file.len = file.end;
    xl_file_add(&file, 3, "\2\0\0\0\0\0\0\0QEVM", 12);
    assert_int_equal(read_bytes(file.bytes, file.len, &found, error), -EBADMSG);
    assert_non_null(strstr(error, "is the second"));
    assert_state(&found); /* the first is there all the same */
    savefile_fini(&found);
    xl_file_free(&file);
}

/* A guest of 64 GiB, in a sparse file. */
static void pages_are_not_read_where_one_can_seek(void **state)
{
    const uint64_t batch = 1024, records = 16384;
    const uint32_t length = (uint32_t)(8 + batch * 8 + batch * 4096);
    char error[SOURCE_ERROR_MAX];
    struct savefile found;
    struct xl_file file;
    off_t at;
    int fd = memfd_create("huge", MFD_CLOEXEC);

    (void)state;
    make(&file);
    at = (off_t)file.pages;
    assert_int_equal(pwrite(fd, file.bytes, file.pages, 0), at);
    for (uint64_t i = 0; i < records; i++) {
        const uint32_t words[] = {1, length, (uint32_t)batch, 0};

        assert_int_equal(pwrite(fd, words, sizeof(words), at), sizeof(words));
        at += 8 + (off_t)length;
    }
    assert_int_equal(
        pwrite(fd, file.bytes + file.pages, file.len - file.pages, at),
        file.len - file.pages);
    bytes_read = 0;
    assert_int_equal(read_fd(fd, &found, error), 0);
    assert_int_equal(found.pages, records * batch + XL_FILE_PAGES);
    assert_true(found.length > UINT64_C(64) << 30);
    assert_true(bytes_read < records * 64);
    assert_state(&found);
    savefile_fini(&found);
    close(fd);
    xl_file_free(&file);
}

static void a_state_that_is_too_long_is_refused(void **state)
{
    char error[SOURCE_ERROR_MAX];
    struct savefile found;
    int fd = memfd_create("long", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(pwrite(fd, state_bytes, STATE_LEN, 0), STATE_LEN);
    assert_int_equal(ftruncate(fd, (off_t)XEN_MIGRATE_INSPECT_MAX + 1), 0);
    assert_int_equal(read_fd(fd, &found, error), -EFBIG);
    assert_non_null(strstr(error, "67108864 bytes"));
    savefile_fini(&found);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_is_found_in_what_xl_saved),
        cmocka_unit_test(a_bare_state_is_the_whole_file),
        cmocka_unit_test(a_guest_without_device_model_has_no_state),
        cmocka_unit_test(every_cut_is_told_with_its_offset),
        cmocka_unit_test(damage_is_told_with_its_offset),
        cmocka_unit_test(records_that_may_be_left_out_are_passed_over),
        cmocka_unit_test(records_of_libxc_are_checked),
        cmocka_unit_test(a_second_state_is_refused),
        cmocka_unit_test(pages_are_not_read_where_one_can_seek),
        cmocka_unit_test(a_state_that_is_too_long_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
