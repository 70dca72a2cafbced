/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * The description behind a stream leads a reader that knows nothing else
 * through all sections, to each field and each page.  With
 * XENRAM_ANALYZE_MIGRATION=PATH that reader is also QEMU's
 * scripts/analyze-migration.py (needs python3).
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <json-c/json.h>

#include "tests/unit/migrate-sides.h"

#define BIG_PAGES 200u
#define BIG "blocks/big" /* a path: the script makes a directory of it */

static struct xen_ram_block *add_big(struct side *side)
{
    const struct xen_ram_spec spec = {
        .idstr = BIG,
        .kind = XEN_RAM_PRIVATE,
        .gfn = XEN_RAM_NO_GFN,
        .size = BIG_PAGES * PAGE - 100,
    };
    struct xen_ram_block *block;
    uint8_t *host;

    xen_ram_set_phase(side->ram, XEN_RAM_RESET);
    assert_int_equal(xen_ram_alloc(side->ram, &spec, &block), 0);
    xen_ram_set_phase(side->ram, XEN_RAM_RUNNING);
    host = xen_ram_host(block);
    for (size_t at = 0; at < spec.size; at++)
        host[at] = at / PAGE % 3 ? (uint8_t)(at * 13 + (at >> 12)) : 0;
    return block;
}

static void save_described(struct side *source, struct stream *stream)
{
    const struct xen_migrate_options options = {.vmdesc = true};

    stream_save(source, &options, stream);
}

/* ---- a reader ------------------------------------------------------------ */

struct reader {
    const uint8_t *at, *end;
    struct json_object *description;
    uint8_t *blocks[2]; /* as they come out: "private", BIG */
    uint64_t lengths[2];
    unsigned fields;
    const char *field; /* name of the one that is wanted, and its bytes */
    uint32_t instance;
    const uint8_t *bytes;
    uint64_t size;
};

static const uint8_t *take(struct reader *reader, uint64_t len)
{
    const uint8_t *at = reader->at;

    assert_true((uint64_t)(reader->end - at) >= len);
    reader->at += len;
    return at;
}

static uint64_t take_number(struct reader *reader, size_t width)
{
    const uint8_t *bytes = take(reader, width);
    uint64_t value = 0;

    for (size_t i = 0; i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void take_name(struct reader *reader, char name[128])
{
    size_t len = take_number(reader, 1);

    assert_in_range(len, 1, 127);
    memcpy(name, take(reader, len), len);
    name[len] = '\0';
}

static struct json_object *get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(object, key, &value);
    return value;
}

static void read_struct(struct reader *reader, struct json_object *holder,
                        uint32_t instance);

static void read_field(struct reader *reader, struct json_object *field,
                       uint32_t instance)
{
    struct json_object *inner = get(field, "struct");
    struct json_object *length = get(field, "array_len");
    uint64_t nr = length ? (uint64_t)json_object_get_int64(length) : 1;
    uint64_t size = (uint64_t)json_object_get_int64(get(field, "size"));
    const uint8_t *start = reader->at;

    assert_non_null(get(field, "type"));
    reader->fields++;
    if (inner) {
        read_struct(reader, inner, instance);
        assert_int_equal(reader->at - start, size);
        return;
    }
    take(reader, nr * size);
    if (instance == reader->instance &&
        strcmp(json_object_get_string(get(field, "name")), reader->field) ==
            0) {
        reader->bytes = start;
        reader->size = nr * size;
    }
}

static void read_subsection(struct reader *reader, struct json_object *sub,
                            uint32_t instance)
{
    char name[128];

    assert_int_equal(take_number(reader, 1), 5);
    take_name(reader, name);
    assert_string_equal(name, json_object_get_string(get(sub, "vmsd_name")));
    assert_int_equal(take_number(reader, 4),
                     json_object_get_int64(get(sub, "version")));
    read_struct(reader, sub, instance);
}

static void read_struct(struct reader *reader, struct json_object *holder,
                        uint32_t instance)
{
    struct json_object *fields = get(holder, "fields");
    struct json_object *subsections = get(holder, "subsections");

    assert_non_null(fields);
    for (size_t i = 0; i < json_object_array_length(fields); i++)
        read_field(reader, json_object_array_get_idx(fields, i), instance);
    for (size_t i = 0; subsections && i < json_object_array_length(subsections);
         i++)
        read_subsection(reader, json_object_array_get_idx(subsections, i),
                        instance);
}

static size_t block_index(const char *name)
{
    assert_true(strcmp(name, "private") == 0 || strcmp(name, BIG) == 0);
    return strcmp(name, BIG) == 0;
}

/* A START, PART or END of ram, as QEMU has it. */
static void read_pages(struct reader *reader)
{
    char name[128] = "";

    for (;;) {
        uint64_t word = take_number(reader, 8);
        uint64_t at = word & ~UINT64_C(0xfff);
        size_t i;

        if (word & 0x10)
            return;
        if (word & 0x04) {
            for (uint64_t rest = at; rest > 0; rest -= reader->lengths[i]) {
                take_name(reader, name);
                i = block_index(name);
                reader->lengths[i] = take_number(reader, 8);
                reader->blocks[i] = calloc(1, reader->lengths[i]);
                assert_non_null(reader->blocks[i]);
            }
            continue;
        }
        if (!(word & 0x20))
            take_name(reader, name);
        i = block_index(name);
        assert_true(at < reader->lengths[i]);
        if (word & 0x02)
            memset(reader->blocks[i] + at, (int)take_number(reader, 1), PAGE);
        else
            memcpy(reader->blocks[i] + at, take(reader, PAGE), PAGE);
    }
}

static void read_full(struct reader *reader)
{
    struct json_object *devices = get(reader->description, "devices");
    char name[128];
    uint32_t instance;

    take_name(reader, name);
    instance = (uint32_t)take_number(reader, 4);
    if (strcmp(name, "ram") == 0) {
        assert_int_equal(take_number(reader, 4), 4);
        read_pages(reader);
        return;
    }
    for (size_t i = 0; i < json_object_array_length(devices); i++) {
        struct json_object *device = json_object_array_get_idx(devices, i);

        if (strcmp(json_object_get_string(get(device, "name")), name) != 0 ||
            json_object_get_int64(get(device, "instance_id")) != instance)
            continue;
        assert_int_equal(take_number(reader, 4),
                         json_object_get_int64(get(device, "version")));
        read_struct(reader, device, instance);
        return;
    }
    fail_msg("section %s instance %" PRIu32 " is not described", name,
             instance);
}

static void read_sections(struct reader *reader)
{
    assert_int_equal(take_number(reader, 4), 0x5145564d);
    assert_int_equal(take_number(reader, 4), 3);
    for (;;) {
        uint64_t type = take_number(reader, 1);

        if (type == 0)
            return;
        assert_in_range(type, 1, 4);
        take(reader, 4);
        if (type == 1 || type == 4)
            read_full(reader);
        else
            read_pages(reader);
    }
}

/* Type and length stand before it; it ends with the file. */
static struct json_object *find_description(const struct stream *stream)
{
    const uint8_t *start = memmem(stream->bytes, stream->len, "{\"page_", 7);
    size_t len = stream->len - (size_t)(start - stream->bytes);
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *object;

    assert_non_null(start);
    assert_int_equal(start[-5], 6);
    assert_int_equal(
        start[-4] << 24 | start[-3] << 16 | start[-2] << 8 | start[-1], len);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    object = json_tokener_parse_ex(tokener, (const char *)start, (int)len);
    assert_int_equal(json_tokener_get_error(tokener), json_tokener_success);
    json_tokener_free(tokener);
    return object;
}

static void read_stream(struct reader *reader, const struct stream *stream)
{
    reader->at = stream->bytes;
    reader->end = stream->bytes + stream->len;
    reader->description = find_description(stream);
    assert_int_equal(
        json_object_get_int64(get(reader->description, "page_size")), PAGE);
    read_sections(reader);
    assert_int_equal(take_number(reader, 1), 6);
    json_object_put(reader->description);
}

static void assert_block(const struct reader *reader, size_t i,
                         const struct xen_ram_block *block)
{
    assert_int_equal(reader->lengths[i], xen_ram_used_length(block));
    assert_memory_equal(reader->blocks[i], xen_ram_host(block),
                        reader->lengths[i]);
}

static void the_description_leads_to_each_field_and_page(void **state)
{
    static const struct {
        const char *field;
        uint32_t instance;
        const char *bytes;
        uint64_t size;
    } fields[] = {
        {"divisor", 0, "\x12\x34", 2},
        {"divisor", 1, "\x12\x35", 2},
        {"sent", 1, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8},
        {"fifo", 1, "\1\2\3\4\5\6\7\1", 8},
        {"times", 0, "\0\1\1\0\xff\xff", 6},
        {"scratch", 1, "\0\0\xca\xfe", 4},
        {"nested", 1, "\x09", 1},
        {"scratch", 0, NULL, 0}, /* of a subsection that is not needed */
    };
    struct side source, target;
    struct xen_ram_block *big;
    struct stream stream;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    big = add_big(&source);
    save_described(&source, &stream);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct reader reader = {
            .field = fields[i].field,
            .instance = fields[i].instance,
        };

        read_stream(&reader, &stream);
        /* nr, 4 records with 9, 2 uarts with 9, 2 of subsections, a sum. */
        assert_int_equal(reader.fields, 1 + 4 * 10 + 2 * 9 + 2 + 1);
        assert_int_equal(reader.size, fields[i].size);
        if (fields[i].bytes)
            assert_memory_equal(reader.bytes, fields[i].bytes, reader.size);
        assert_block(&reader, 0, source.private);
        assert_block(&reader, 1, big);
        free(reader.blocks[0]);
        free(reader.blocks[1]);
    }
    stream_free(&stream);
    sides_fini(&source, &target);
}

/* ---- QEMU's reader ------------------------------------------------------- */

static const char *script(void)
{
    return getenv("XENRAM_ANALYZE_MIGRATION");
}

/* It writes into the current directory: state.json and a file a block. */
static void run_script(const char *directory)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        if (chdir(directory) == 0 && dup2(null, STDOUT_FILENO) >= 0)
            execlp("python3", "python3", script(), "-f", "state", "-x", NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void assert_extracted(const char *directory, const char *name,
                             const struct xen_ram_block *block)
{
    uint64_t length = xen_ram_used_length(block);
    uint8_t *bytes = malloc(length + 1);
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "r");
    assert_non_null(bytes);
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, length + 1, file), length);
    assert_memory_equal(bytes, xen_ram_host(block), length);
    fclose(file);
    free(bytes);
    unlink(path);
}

static void assert_dumped(const char *directory)
{
    char path[512];
    struct json_object *dump, *uart;

    snprintf(path, sizeof(path), "%s/state.json", directory);
    dump = json_object_from_file(path);
    uart = get(dump, "uart (3)");
    assert_non_null(get(dump, "xenram/ownership (0)"));
    assert_non_null(uart);
    assert_string_equal(json_object_get_string(get(uart, "divisor")), "0x1235");
    assert_non_null(get(uart, "uart/scratch"));
    json_object_put(dump);
    unlink(path);
}

static void analyze_migration_reads_it_too(void **state)
{
    char directory[] = "/tmp/xenram-describe-XXXXXX", path[64];
    struct side source, target;
    struct xen_ram_block *big;
    struct stream stream;
    FILE *file;

    (void)state;
    sides_init(&source, &target, &usual, &usual);
    big = add_big(&source);
    save_described(&source, &stream);
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/state", directory);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(stream.bytes, 1, stream.len, file), stream.len);
    assert_int_equal(fclose(file), 0);

    run_script(directory);
    assert_dumped(directory);
    assert_extracted(directory, "private", source.private);
    assert_extracted(directory, BIG, big);

    unlink(path);
    snprintf(path, sizeof(path), "%s/desc.json", directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/blocks", directory);
    rmdir(path);
    assert_int_equal(rmdir(directory), 0);
    stream_free(&stream);
    sides_fini(&source, &target);
}

int main(void)
{
    const struct CMUnitTest ours[] = {
        cmocka_unit_test(the_description_leads_to_each_field_and_page),
    };
    const struct CMUnitTest both[] = {
        cmocka_unit_test(the_description_leads_to_each_field_and_page),
        cmocka_unit_test(analyze_migration_reads_it_too),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return script() ? cmocka_run_group_tests(both, NULL, NULL)
                    : cmocka_run_group_tests(ours, NULL, NULL);
}
