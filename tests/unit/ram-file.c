/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/ram-env.h"
#include "xenram/migrate.h"

#define SIZE (2 * PAGE + 100) /* of the files */

/* In a directory of its own, which the test removes. */
struct files {
    char dir[64], a[80], b[80], hard[80], small[80], fifo[80], missing[80];
};

static void make_file(char path[80], const char *dir, const char *name,
                      size_t size)
{
    int fd;

    snprintf(path, 80, "%s/%s", dir, name);
    fd = open(path, O_CREAT | O_RDWR | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(pwrite(fd, name, 1, 0), 1);
    close(fd);
}

static void make_files(struct files *files)
{
    snprintf(files->dir, sizeof(files->dir), "/tmp/xenram-file.XXXXXX");
    assert_non_null(mkdtemp(files->dir));
    make_file(files->a, files->dir, "a", SIZE);
    make_file(files->b, files->dir, "b", SIZE);
    make_file(files->small, files->dir, "small", SIZE - 1);
    snprintf(files->hard, 80, "%s/hard", files->dir);
    assert_int_equal(link(files->a, files->hard), 0);
    snprintf(files->fifo, 80, "%s/fifo", files->dir);
    assert_int_equal(mkfifo(files->fifo, 0600), 0);
    snprintf(files->missing, 80, "%s/missing", files->dir);
}

static void remove_files(const struct files *files)
{
    unlink(files->a);
    unlink(files->b);
    unlink(files->hard);
    unlink(files->small);
    unlink(files->fifo);
    assert_int_equal(rmdir(files->dir), 0);
}

static uint8_t byte_of(const char *path, off_t offset)
{
    int fd = open(path, O_RDONLY);
    uint8_t byte = 0;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    close(fd);
    return byte;
}

static struct xen_ram_spec spec_of(const char *idstr, unsigned flags)
{
    return (struct xen_ram_spec){
        .idstr = idstr,
        .kind = XEN_RAM_FILE,
        .flags = flags,
        .gfn = XEN_RAM_NO_GFN,
        .size = SIZE,
    };
}

static struct xen_ram_block *from_file(struct env *env, const char *idstr,
                                       unsigned flags, const char *path)
{
    struct xen_ram_spec spec = spec_of(idstr, flags);
    struct xen_ram_block *block = NULL;

    if (xen_ram_alloc_from_file(env->ram, &spec, path, &block))
        fail_msg("%s", xen_ram_error(env->ram));
    return block;
}

static void what_is_written_goes_to_the_file_or_stays(void **state)
{
    struct env *env = *state;
    struct xen_ram_block *shared, *copy;
    struct files files;
    uint8_t byte = 0;

    make_files(&files);
    shared = from_file(env, "shared", 0, files.a);
    copy = from_file(env, "copy", XEN_RAM_COPY, files.b);
    assert_int_equal(xen_ram_read(env->ram, copy, 0, &byte, 1), 0);
    assert_int_equal(byte, 'b');
    fill(env, shared, 1, SIZE - 1, 0x5a);
    fill(env, copy, 1, SIZE - 1, 0x5b);
    assert_int_equal(byte_of(files.a, SIZE - 1), 0x5a);
    assert_int_equal(byte_of(files.b, SIZE - 1), 0);
    assert_filled(env, copy, 1, SIZE - 1, 0x5b);

    assert_int_equal(xen_ram_get_kind(shared), XEN_RAM_FILE);
    assert_int_equal(xen_ram_size(shared), SIZE);
    assert_int_equal(xen_ram_used_length(shared), 3 * PAGE);
    assert_string_equal(xen_ram_path(shared), files.a);
    assert_non_null(xen_ram_host(shared));
    assert_int_equal(xen_ram_resize(env->ram, shared, PAGE), -EINVAL);
    assert_error_says(env, "Length mismatch");
    xen_ram_free(env->ram, shared);
    assert_int_equal(byte_of(files.a, 77), 0x5a);
    remove_files(&files);
}

static void files_that_do_not_fit_are_refused_in_one_line(void **state)
{
    static const char *const dir = "/tmp";
    struct files files;
    const struct {
        const char *path;
        int rc;
        const char *words;
    } cases[] = {
        {files.missing, -ENOENT, "cannot be opened: No such file"},
        {dir, -EISDIR, "cannot be opened: Is a directory"},
        {files.fifo, -EINVAL, "is not a regular file"},
        {files.small, -EINVAL,
         "has 8291 bytes, must have 8292: make it with truncate -s 8292"},
    };
    struct xen_ram_spec spec = spec_of("nvram", 0);
    struct env *env = *state;
    struct xen_ram_block *block;

    make_files(&files);
    for (size_t i = 0; i < NR(cases); i++) {
        assert_int_equal(
            xen_ram_alloc_from_file(env->ram, &spec, cases[i].path, &block),
            cases[i].rc);
        assert_error_says(env, "block 'nvram': file ");
        assert_error_says(env, cases[i].path);
        assert_error_says(env, cases[i].words);
        assert_null(xen_ram_next(env->ram, NULL));
    }
    remove_files(&files);
}

static void kinds_that_live_elsewhere_cannot_be_files(void **state)
{
    static const struct {
        struct xen_ram_spec spec;
        const char *words;
    } cases[] = {
        {{"ram", XEN_RAM_GUEST, 0, 0, SIZE, 0, NULL, NULL, 0},
         "guest's memory"},
        {{"rom", XEN_RAM_VISIBLE, 0, HOME, SIZE, 0, NULL, NULL, 0},
         "guest's memory"},
        {{"p", XEN_RAM_PRIVATE, 0, XEN_RAM_NO_GFN, SIZE, 0, NULL, NULL, 0},
         "cannot become"},
        {{"f", XEN_RAM_FILE, 0, XEN_RAM_NO_GFN, SIZE, 4 * PAGE, NULL, NULL, 0},
         "cannot become 0x4000"},
        {{"f", XEN_RAM_FILE, XEN_RAM_RESIZEABLE, XEN_RAM_NO_GFN, SIZE, 0, NULL,
          NULL, 0},
         "flags 0x1"},
        {{"f", XEN_RAM_FILE, 0, HOME, SIZE, 0, NULL, NULL, 0}, "private"},
    };
    struct xen_ram_spec spec = spec_of("f", 0);
    struct env *env = *state;
    struct xen_ram_block *block;
    struct files files;

    make_files(&files);
    for (size_t i = 0; i < NR(cases); i++) {
        assert_int_equal(
            xen_ram_alloc_from_file(env->ram, &cases[i].spec, files.a, &block),
            -EINVAL);
        assert_error_says(env, cases[i].words);
    }
    assert_int_equal(xen_ram_alloc(env->ram, &spec, &block), -EINVAL);
    assert_error_says(env, "needs a file");
    remove_files(&files);
}

static void a_file_belongs_to_one_block(void **state)
{
    struct env *env = *state;
    struct xen_ram_spec spec = spec_of("other", 0);
    struct xen_ram_block *one, *block;
    struct files files;

    make_files(&files);
    one = from_file(env, "one", 0, files.a);
    assert_int_equal(
        xen_ram_alloc_from_file(env->ram, &spec, files.hard, &block), -EEXIST);
    assert_error_says(env, "'one'");
    spec.flags = XEN_RAM_COPY;
    assert_int_equal(xen_ram_alloc_from_file(env->ram, &spec, files.a, &block),
                     -EEXIST);
    spec.idstr = "one";
    assert_int_equal(xen_ram_alloc_from_file(env->ram, &spec, files.b, &block),
                     -EEXIST);
    assert_error_says(env, "is there already");
    /* Nobody sees what another writes: then many may read it. */
    xen_ram_free(env->ram, one);
    one = from_file(env, "one", XEN_RAM_COPY, files.a);
    block = from_file(env, "two", XEN_RAM_COPY, files.hard);
    fill(env, block, 0, 1, 0x77);
    assert_filled(env, one, 0, 1, 'a');
    remove_files(&files);
}

static void a_file_leaves_no_descriptor_behind(void **state)
{
    struct env *env = *state;
    struct xen_ram_spec spec = spec_of("f", 0);
    struct xen_ram_block *block;
    struct files files;
    int before, after;

    make_files(&files);
    before = dup(0);
    close(before);
    from_file(env, "mapped", 0, files.a);
    assert_true(xen_ram_alloc_from_file(env->ram, &spec, files.small, &block) <
                0);
    assert_true(xen_ram_alloc_from_file(env->ram, &spec, files.a, &block) < 0);
    after = dup(0);
    close(after);
    assert_int_equal(before, after);
    remove_files(&files);
}

/* ---- in a saved state ---- */

static int save_and_load(struct env *from, struct env *to,
                         char error[XEN_MIGRATE_ERROR_MAX], off_t *length)
{
    char path[] = "/tmp/xenram-state.XXXXXX";
    int fd = mkstemp(path), rc;

    assert_true(fd >= 0);
    unlink(path);
    error[0] = '\0';
    assert_int_equal(xen_migrate_save(from->ram, NULL, 0, NULL, fd, error), 0);
    *length = lseek(fd, 0, SEEK_END);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    rc = xen_migrate_load(to->ram, NULL, 0, NULL, fd, error);
    close(fd);
    return rc;
}

static void open_other(struct env *other)
{
    *other = (struct env){0};
    assert_int_equal(xen_ram_open(DOMID, NULL, &other->ram), 0);
    xen_ram_set_phase(other->ram, XEN_RAM_LOADING);
}

static void a_saved_state_lists_the_file_and_leaves_it_alone(void **state)
{
    struct env *env = *state, other;
    char error[XEN_MIGRATE_ERROR_MAX];
    struct xen_ram_block *here;
    struct files files;
    off_t length;

    make_files(&files);
    fill(env, from_file(env, "nvram", 0, files.a), 0, SIZE, 0x99);
    open_other(&other);
    here = from_file(&other, "nvram", 0, files.b);
    if (save_and_load(env, &other, error, &length))
        fail_msg("%s", error);
    assert_true(length < (off_t)PAGE);
    assert_filled(&other, here, 0, 1, 'b');
    assert_int_equal(byte_of(files.b, 1), 0);
    xen_ram_close(other.ram);
    remove_files(&files);
}

static void a_file_that_was_saved_otherwise_is_refused(void **state)
{
    static const struct {
        enum xen_ram_kind kind;
        unsigned flags;
        const char *idstr, *words;
        uint64_t size;
    } cases[] = {
        {XEN_RAM_FILE, XEN_RAM_COPY, "nvram",
         "mapped shared in the stream, private here", SIZE},
        {XEN_RAM_FILE, 0, "nvram", "Length mismatch", SIZE - 1},
        {XEN_RAM_FILE, 0, "other", "block nvram: unknown here", SIZE},
        {XEN_RAM_PRIVATE, 0, "nvram", "file-backed in the stream, private here",
         SIZE},
    };
    struct env *env = *state, other;
    char error[XEN_MIGRATE_ERROR_MAX];
    struct files files;
    off_t length;

    make_files(&files);
    from_file(env, "nvram", 0, files.a);
    for (size_t i = 0; i < NR(cases); i++) {
        struct xen_ram_spec spec = spec_of(cases[i].idstr, cases[i].flags);
        struct xen_ram_block *block;

        open_other(&other);
        spec.kind = cases[i].kind;
        spec.size = cases[i].size;
        if (spec.kind == XEN_RAM_PRIVATE)
            must_alloc(&other, &spec);
        else
            assert_int_equal(xen_ram_alloc_from_file(
                                 other.ram, &spec,
                                 spec.size == SIZE ? files.b : files.small,
                                 &block),
                             0);
        assert_int_equal(save_and_load(env, &other, error, &length), -EINVAL);
        if (!strstr(error, cases[i].words))
            fail_msg("case %zu: %s", i, error);
        xen_ram_close(other.ram);
    }
    remove_files(&files);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(what_is_written_goes_to_the_file_or_stays),
        RAM_TEST(files_that_do_not_fit_are_refused_in_one_line),
        RAM_TEST(kinds_that_live_elsewhere_cannot_be_files),
        RAM_TEST(a_file_belongs_to_one_block),
        RAM_TEST(a_file_leaves_no_descriptor_behind),
        RAM_TEST(a_saved_state_lists_the_file_and_leaves_it_alone),
        RAM_TEST(a_file_that_was_saved_otherwise_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
