/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* Linked with --wrap for writev. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/migrate-sides.h"

/* ---- files ------------------------------------------------------------ */

static void bytes_behind_the_end_are_ignored(void **state)
{
    static const char behind[] = "\x04 left over from another save";
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    struct stream stream;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    stream_save(&source, NULL, &stream);
    stream_replace(&stream, stream.len, 0, behind, sizeof(behind));
    assert_int_equal(stream_load(&target, NULL, &stream, error), 0);
    assert_same(&source, &target);
    stream_free(&stream);
    sides_fini(&source, &target);
}

static void a_save_cuts_off_the_longer_one_before(void **state)
{
    struct side source, target;
    char error[XEN_MIGRATE_ERROR_MAX];
    struct stream stream;
    int fd = memfd_create("old", MFD_CLOEXEC);

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    stream_save(&source, NULL, &stream);
    assert_int_equal(ftruncate(fd, 1000000), 0);
    assert_int_equal(
        xen_migrate_save(source.ram, source.devices, 2, NULL, fd, error), 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), stream.len);
    close(fd);
    stream_free(&stream);
    sides_fini(&source, &target);
}

struct sender {
    const struct stream *stream;
    int fd;
};

static void *send_slowly(void *opaque)
{
    const struct sender *sender = opaque;

    for (size_t at = 0; at < sender->stream->len; at += 100) {
        size_t rest = sender->stream->len - at;
        size_t len = rest < 100 ? rest : 100;

        if (write(sender->fd, sender->stream->bytes + at, len) != (ssize_t)len)
            break;
    }
    close(sender->fd);
    return NULL;
}

static void a_pipe_carries_a_state(void **state)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    struct stream stream;
    struct sender sender;
    pthread_t thread;
    int fds[2];

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    stream_save(&source, NULL, &stream);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(
        xen_migrate_save(source.ram, source.devices, 2, NULL, fds[1], error),
        0);
    assert_int_equal(close(fds[0]) | close(fds[1]), 0);

    assert_int_equal(pipe(fds), 0);
    sender = (struct sender){.stream = &stream, .fd = fds[1]};
    assert_int_equal(pthread_create(&thread, NULL, send_slowly, &sender), 0);
    assert_int_equal(
        xen_migrate_load(target.ram, target.devices, 2, NULL, fds[0], error),
        0);
    pthread_join(thread, NULL);
    close(fds[0]);
    source.uarts[0].pre_saves = 1;
    source.uarts[1].pre_saves = 1;
    assert_same(&source, &target);
    stream_free(&stream);
    sides_fini(&source, &target);
}

static void errors_of_the_file_are_reported(void **state)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(full >= 0);
    sides_init(&source, &target, &usual, &usual);
    assert_int_equal(
        xen_migrate_save(source.ram, source.devices, 2, NULL, full, error),
        -ENOSPC);
    assert_text(error, "cannot be written: No space left");
    assert_int_equal(
        xen_migrate_load(target.ram, target.devices, 2, NULL, -1, error),
        -EBADF);
    assert_text(error, "cannot be read: Bad file");
    close(full);
    sides_fini(&source, &target);
}

/* ---- many pages -------------------------------------------------------- */

#define PAGES 700u

ssize_t __real_writev(int fd, const struct iovec *pieces, int nr);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int nr);

static size_t most; /* bytes that one writev takes; 0: all */

ssize_t __wrap_writev(int fd, const struct iovec *pieces, int nr)
{
    static unsigned calls;

    if (most == 0)
        return __real_writev(fd, pieces, nr);
    if (++calls % 7 == 0) {
        errno = EINTR;
        return -1;
    }
    return write(fd, pieces->iov_base,
                 pieces->iov_len < most ? pieces->iov_len : most);
}

static struct xen_ram *open_pages(void)
{
    const struct xen_ram_spec spec = {
        .idstr = "pages",
        .kind = XEN_RAM_PRIVATE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = XEN_RAM_NO_GFN,
        .size = PAGES * PAGE,
    };
    struct xen_ram_block *block;
    struct xen_ram *ram;

    assert_int_equal(xen_ram_open(SOURCE_DOMID, NULL, &ram), 0);
    assert_int_equal(xen_ram_alloc(ram, &spec, &block), 0);
    return ram;
}

static int save_pages(struct xen_ram *ram)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd = memfd_create("pages", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(xen_migrate_save(ram, NULL, 0, NULL, fd, error), 0);
    return fd;
}

static void assert_same_file(int a, int b)
{
    off_t len = lseek(a, 0, SEEK_END);
    const uint8_t *x, *y;

    assert_true(len > 0);
    assert_int_equal(lseek(b, 0, SEEK_END), len);
    x = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, a, 0);
    y = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, b, 0);
    assert_true(x != MAP_FAILED && y != MAP_FAILED);
    assert_memory_equal(x, y, (size_t)len);
    munmap((void *)x, (size_t)len);
    munmap((void *)y, (size_t)len);
}

static void a_state_that_is_written_in_small_pieces_is_the_same(void **state)
{
    static const size_t sizes[] = {1, 9, PAGE - 1, PAGE, 100000};
    struct xen_ram *ram = open_pages();
    uint8_t *host = xen_ram_host(xen_ram_find(ram, "pages"));
    int whole;

    (void)state;
    for (size_t page = 0; page < PAGES; page += page % 5 ? 1 : 3)
        memset(host + page * PAGE, (int)(page % 255 + 1), PAGE);
    whole = save_pages(ram);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int fd;

        most = sizes[i];
        fd = save_pages(ram);
        most = 0;
        assert_same_file(fd, whole);
        close(fd);
    }
    close(whole);
    xen_ram_close(ram);
}

/* Linux, Documentation/admin-guide/mm/pagemap.rst */
static bool was_touched(const uint8_t *host)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t entry;

    assert_true(fd >= 0);
    assert_int_equal(
        pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)host / PAGE * 8)),
        sizeof(entry));
    close(fd);
    return entry >> 62;
}

static void pages_that_were_never_written_are_not_read(void **state)
{
    struct xen_ram *source = open_pages(), *target = open_pages();
    uint8_t *there = xen_ram_host(xen_ram_find(source, "pages"));
    uint8_t *here = xen_ram_host(xen_ram_find(target, "pages"));
    char error[XEN_MIGRATE_ERROR_MAX];
    int fd;

    (void)state;
    there[5 * PAGE + 7] = 1;
    here[6 * PAGE + 8] = 2;
    fd = save_pages(source);
    lseek(fd, 0, SEEK_SET);
    xen_ram_set_phase(target, XEN_RAM_LOADING);
    assert_int_equal(xen_migrate_load(target, NULL, 0, NULL, fd, error), 0);
    for (size_t page = 0; page < PAGES; page++) {
        assert_int_equal(was_touched(there + page * PAGE), page == 5);
        assert_int_equal(was_touched(here + page * PAGE),
                         page == 5 || page == 6);
    }
    assert_memory_equal(here, there, PAGES * PAGE);
    close(fd);
    xen_ram_close(source);
    xen_ram_close(target);
}

/* ---- tables ----------------------------------------------------------- */

static void mistakes_in_tables_are_refused(void **state)
{
    static const struct xen_migrate_field outside[] = {
        {.name = "x", .type = XEN_MIGRATE_U32, .offset = 1, .count = 1},
        {0},
    };
    static const struct xen_migrate_field many[] = {
        {.name = "x", .type = XEN_MIGRATE_U64, .count = UINT32_MAX},
        {0},
    };
    static const struct xen_migrate_field early[] = {
        {.name = "x", .type = XEN_MIGRATE_U8, .count = 1, .since = 2},
        {0},
    };
    static const struct xen_migrate_state bad[] = {
        {.name = "a", .size = 4, .fields = outside},
        {.name = "a", .size = 4, .fields = many},
        {.name = "a", .size = 4, .version = 1, .fields = early},
        {.name = "a", .version = 1, .minimum = 2},
        {.name = ""},
        {.name = "a\nb"},
        {.name = "ram"},
        {.name = "xenram/sum"},
    };
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    uint32_t value = 0;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct xen_migrate_device device = {&bad[i], 0, &value};

        assert_int_equal(
            xen_migrate_save(source.ram, &device, 1, NULL, -1, error), -EINVAL);
        assert_int_equal(
            xen_migrate_load(target.ram, &device, 1, NULL, -1, error), -EINVAL);
    }

    source.devices[1] = source.devices[0];
    assert_int_equal(
        xen_migrate_save(source.ram, source.devices, 2, NULL, -1, error),
        -EINVAL);
    assert_text(error, "device uart instance 0 is there twice");
    sides_fini(&source, &target);
}

/* ---- the description -------------------------------------------------- */

/* As analyze-migration.py looks for it. */
static size_t find_description(const struct stream *stream)
{
    size_t at = stream->len;

    while (at > 0 && stream->bytes[at - 1] != 0)
        at--;
    while (at < stream->len && stream->bytes[at] != '{')
        at++;
    assert_true(at >= 5 && at < stream->len);
    return at;
}

/* Save with a description whose length goes up by one with len. */
static bool describe_padded(struct side *source, const char *device,
                            const char *name)
{
    const struct xen_migrate_options options = {.vmdesc = true};
    const struct xen_migrate_field field[] = {
        {.name = name, .type = XEN_MIGRATE_U8, .count = 1},
        {0},
    };
    const struct xen_migrate_state saved = {
        .name = device,
        .size = 1,
        .fields = field,
    };
    struct stream stream;
    uint8_t byte = 0;
    bool padded;
    size_t at;

    source->devices[0] = (struct xen_migrate_device){&saved, 0, &byte};
    stream_save(source, &options, &stream);
    at = find_description(&stream);
    assert_int_equal(stream.bytes[at - 5], 6);
    assert_int_equal(stream.bytes[at - 2] << 8 | stream.bytes[at - 1],
                     stream.len - at);
    padded = stream.bytes[stream.len - 1] == ' ';
    stream_free(&stream);
    return padded;
}

static void the_description_is_found_whatever_its_length(void **state)
{
    char name[129];
    struct side source, target;
    unsigned padded = 0;

    (void)state;
    memset(name, 'n', 128);
    name[128] = '\0';
    sides_init(&source, &target, &usual, &usual);
    for (size_t len = 1; len <= 128; len++) {
        /* The device's name is there twice: 64 bytes more make 128. */
        padded += describe_padded(&source, "d", name + 128 - len);
        padded += describe_padded(&source, name + 128 - 65, name + 128 - len);
    }
    /* 256 lengths in a row: one of them ends in '{'. */
    assert_int_equal(padded, 1);
    sides_fini(&source, &target);
}

static void a_stream_with_description_loads(void **state)
{
    const struct xen_migrate_options options = {.vmdesc = true};
    char error[XEN_MIGRATE_ERROR_MAX];
    struct side source, target;
    struct stream stream;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    stream_save(&source, &options, &stream);
    assert_int_equal(stream_load(&target, NULL, &stream, error), 0);
    assert_same(&source, &target);
    stream_free(&stream);
    sides_fini(&source, &target);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_behind_the_end_are_ignored),
        cmocka_unit_test(a_save_cuts_off_the_longer_one_before),
        cmocka_unit_test(a_pipe_carries_a_state),
        cmocka_unit_test(errors_of_the_file_are_reported),
        cmocka_unit_test(a_state_that_is_written_in_small_pieces_is_the_same),
        cmocka_unit_test(pages_that_were_never_written_are_not_read),
        cmocka_unit_test(mistakes_in_tables_are_refused),
        cmocka_unit_test(the_description_is_found_whatever_its_length),
        cmocka_unit_test(a_stream_with_description_loads),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
