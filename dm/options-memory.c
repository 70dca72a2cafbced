/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/options-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dm/log.h"

#define KEY "device_model_args_hvm"
#define MIB (UINT64_C(1) << 20)
#define MAX_RAM_MB (16u << 20)        /* 16 TiB */
#define SPACE_MAX (UINT64_C(1) << 52) /* bytes that a guest can address */
#define BLOCK_SIZE_MIN MIB            /* virtio-mem, as QEMU has it */
#define BLOCK_SIZE_USUAL (2 * MIB)
#define MAX_NODE 65535u
#define MAX_SLOTS 256u /* as QEMU has it */

/* A number of bytes of a key; none: otherwise. */
static int get_size(const struct parse *parse, const struct keyvals *keyvals,
                    const char *key, uint64_t otherwise, uint64_t *out)
{
    const char *text = keyvals_get(keyvals, key);

    *out = otherwise;
    if (!text || keyval_size(text, 1, SPACE_MAX, out) == 0)
        return 0;
    return parse_refuse(parse, KEY, "%s=%s: bytes, or a number with K, M, G, T",
                        key, text);
}

static int get_number(const struct parse *parse, const struct keyvals *keyvals,
                      const char *key, unsigned max, int otherwise, int *out)
{
    const char *text = keyvals_get(keyvals, key);
    uint64_t number;

    *out = otherwise;
    if (!text)
        return 0;
    if (keyval_number(text, max, &number))
        return parse_refuse(parse, KEY, "%s=%s: 0 to %u can be", key, text,
                            max);
    *out = (int)number;
    return 0;
}

static int set_ram(struct parse *parse, const char *text)
{
    uint64_t bytes;

    if (!text)
        return 0;
    if (keyval_size(text, MIB, MAX_RAM_MB * MIB, &bytes) || bytes < MIB ||
        bytes % MIB)
        return parse_refuse(parse, "maxmem, memory",
                            "a number of MiB from 1 to %u was expected",
                            MAX_RAM_MB);
    parse->options->ram_mb = bytes / MIB;
    return 0;
}

int parse_memory(struct parse *parse)
{
    static const char *const known[] = {"size", "slots", "maxmem", NULL};
    struct options *options = parse->options;
    struct keyvals keyvals;
    const char *text;
    int slots, ret = parse_keyvals(parse, "size", &keyvals);

    if (ret)
        return ret;
    text = keyvals_unknown(&keyvals, known);
    if (text)
        return parse_refuse(parse, KEY, "%s= is not known", text);
    ret = set_ram(parse, keyvals_get(&keyvals, "size"));
    if (ret == 0)
        ret = get_number(parse, &keyvals, "slots", MAX_SLOTS,
                         (int)options->slots, &slots);
    if (ret)
        return ret;
    options->slots = (unsigned)slots;
    text = keyvals_get(&keyvals, "maxmem");
    if (text && keyval_size(text, MIB, SPACE_MAX, &options->maxmem))
        return parse_refuse(parse, KEY,
                            "maxmem=%s: a number of MiB, or one "
                            "with K, M, G, T",
                            text);
    return 0;
}

static const struct options_backend *find_backend(const struct options *options,
                                                  const char *id)
{
    for (unsigned i = 0; i < options->nr_backends; i++)
        if (strcmp(options->backends[i].id, id) == 0)
            return &options->backends[i];
    return NULL;
}

int parse_object(struct parse *parse)
{
    /* What changes nothing for memory that is the guest's is passed over. */
    static const char *const known[] = {"qom-type", "id",      "size",
                                        "share",    "merge",   "dump",
                                        "prealloc", "reserve", NULL};
    struct options *options = parse->options;
    struct options_backend backend;
    struct keyvals keyvals;
    const char *type, *unknown;
    int ret = parse_keyvals(parse, "qom-type", &keyvals);

    if (ret)
        return ret;
    type = keyvals_get(&keyvals, "qom-type");
    if (!type || strcmp(type, "memory-backend-ram") != 0) {
        bool filter = type && strncmp(type, "memory-backend-", 15) != 0;

        return parse_refuse(parse, filter ? "vif" : KEY,
                            filter ? "no network filters, hence no COLO"
                                   : "only memory-backend-ram: what a guest "
                                     "gets is Xen's memory, never a file's");
    }
    unknown = keyvals_unknown(&keyvals, known);
    if (unknown)
        return parse_refuse(parse, KEY, "%s= is not known", unknown);
    backend.id = keyvals_get(&keyvals, "id");
    if (!backend.id || !*backend.id || strlen(backend.id) > OPTIONS_ID_MAX)
        return parse_refuse(parse, KEY, "id= of 1 to %d bytes is needed",
                            OPTIONS_ID_MAX);
    ret = get_size(parse, &keyvals, "size", 0, &backend.size);
    if (ret)
        return ret;
    if (backend.size == 0 || backend.size % 4096)
        return parse_refuse(parse, KEY, "size= is needed, in whole pages");
    if (find_backend(options, backend.id))
        return parse_refuse(parse, KEY, "id=%s is there twice", backend.id);
    if (options->nr_backends == OPTIONS_MAX_BACKENDS)
        return parse_refuse(parse, KEY, "more than %u backends",
                            OPTIONS_MAX_BACKENDS);
    options->backends[options->nr_backends++] = backend;
    return 0;
}

/* What every memory device has. */
static int get_common(struct parse *parse, const struct keyvals *keyvals,
                      const char *const known[], const char **memdev,
                      uint16_t *node)
{
    const char *unknown = keyvals_unknown(keyvals, known);
    int number, ret;

    if (unknown)
        return parse_refuse(parse, KEY, "%s= is not known", unknown);
    *memdev = keyvals_get(keyvals, "memdev");
    if (!*memdev)
        return parse_refuse(parse, KEY, "memdev= is needed");
    ret = get_number(parse, keyvals, "node", MAX_NODE, 0, &number);
    *node = ret ? 0 : (uint16_t)number;
    return ret;
}

static int parse_dimm(struct parse *parse, const struct keyvals *keyvals)
{
    static const char *const known[] = {"driver", "id",   "memdev", "addr",
                                        "node",   "slot", NULL};
    struct options *options = parse->options;
    struct options_dimm dimm = {.id = keyvals_get(keyvals, "id")};
    int ret = get_common(parse, keyvals, known, &dimm.memdev, &dimm.node);

    if (ret == 0)
        ret = get_size(parse, keyvals, "addr", 0, &dimm.addr);
    if (ret == 0)
        ret = get_number(parse, keyvals, "slot", MAX_SLOTS - 1, -1, &dimm.slot);
    if (ret)
        return ret;
    if (options->nr_dimms == OPTIONS_MAX_DIMMS)
        return parse_refuse(parse, KEY, "more than %u DIMMs",
                            OPTIONS_MAX_DIMMS);
    options->dimms[options->nr_dimms++] = dimm;
    return 0;
}

static int get_sizes(struct parse *parse, const struct keyvals *keyvals,
                     struct options_virtio_mem *mem)
{
    int ret = get_size(parse, keyvals, "memaddr", 0, &mem->addr);

    if (ret == 0)
        ret =
            get_size(parse, keyvals, "requested-size", 0, &mem->requested_size);
    if (ret == 0)
        ret = get_size(parse, keyvals, "block-size", BLOCK_SIZE_USUAL,
                       &mem->block_size);
    if (ret)
        return ret;
    if (mem->block_size < BLOCK_SIZE_MIN ||
        mem->block_size & (mem->block_size - 1))
        return parse_refuse(
            parse, KEY, "block-size=%" PRIu64 ": a power of two from 1 MiB on",
            mem->block_size);
    if (mem->requested_size % mem->block_size)
        return parse_refuse(parse, KEY,
                            "requested-size=%" PRIu64
                            " is not a multiple of block-size=%" PRIu64,
                            mem->requested_size, mem->block_size);
    return 0;
}

static int parse_virtio_mem(struct parse *parse, const struct keyvals *keyvals)
{
    static const char *const known[] = {"driver",     "id",   "memdev",
                                        "memaddr",    "node", "requested-size",
                                        "block-size", NULL};
    struct options *options = parse->options;
    struct options_virtio_mem mem = {.id = keyvals_get(keyvals, "id")};
    int ret = get_common(parse, keyvals, known, &mem.memdev, &mem.node);

    if (ret == 0)
        ret = get_sizes(parse, keyvals, &mem);
    if (ret)
        return ret;
    if (options->nr_virtio_mems == OPTIONS_MAX_VIRTIO_MEMS)
        return parse_refuse(parse, KEY, "more than %u virtio-mem devices",
                            OPTIONS_MAX_VIRTIO_MEMS);
    options->virtio_mems[options->nr_virtio_mems++] = mem;
    return 0;
}

int parse_memory_device(struct parse *parse, const struct keyvals *keyvals,
                        const char *model)
{
    if (strcmp(model, "pc-dimm") == 0)
        return parse_dimm(parse, keyvals);
    if (strcmp(model, "virtio-mem-pci") == 0)
        return parse_virtio_mem(parse, keyvals);
    return -ENOENT;
}

static int refuse(const char *model, const char *memdev, const char *text)
{
    log_error("-device %s,memdev=%s: %s (xl.cfg: " KEY ")", model, memdev,
              text);
    return -EINVAL;
}

/* The devices so far, to find out what is there twice. */
struct seen {
    const char *ids[OPTIONS_MAX_DIMMS + OPTIONS_MAX_VIRTIO_MEMS];
    const char *memdevs[OPTIONS_MAX_DIMMS + OPTIONS_MAX_VIRTIO_MEMS];
    unsigned nr;
};

static int resolve(const struct options *options, struct seen *seen,
                   const char *model, const char *id, const char *memdev,
                   uint64_t *size)
{
    const struct options_backend *backend = find_backend(options, memdev);

    if (!backend)
        return refuse(model, memdev,
                      "no -object memory-backend-ram has this id");
    for (unsigned i = 0; i < seen->nr; i++) {
        if (strcmp(seen->memdevs[i], memdev) == 0)
            return refuse(model, memdev, "another device has this memdev");
        if (id && seen->ids[i] && strcmp(seen->ids[i], id) == 0)
            return refuse(model, memdev, "another device has this id");
    }
    if (options->restrict_domid)
        return refuse(model, memdev,
                      "a restricted device model cannot give memory to its "
                      "guest: use dm_restrict=0");
    seen->ids[seen->nr] = id;
    seen->memdevs[seen->nr++] = memdev;
    *size = backend->size;
    return 0;
}

static int resolve_virtio_mem(const struct options *options, struct seen *seen,
                              struct options_virtio_mem *mem)
{
    int ret = resolve(options, seen, "virtio-mem-pci", mem->id, mem->memdev,
                      &mem->size);

    if (ret)
        return ret;
    if (mem->size % mem->block_size)
        return refuse("virtio-mem-pci", mem->memdev,
                      "its size is no multiple of block-size");
    if (mem->requested_size > mem->size)
        return refuse("virtio-mem-pci", mem->memdev,
                      "requested-size is above its size");
    return 0;
}

int parse_resolve_memory(struct parse *parse)
{
    struct options *options = parse->options;
    struct seen seen = {.nr = 0};
    int ret = 0;

    for (unsigned i = 0; i < options->nr_dimms && ret == 0; i++)
        ret = resolve(options, &seen, "pc-dimm", options->dimms[i].id,
                      options->dimms[i].memdev, &options->dimms[i].size);
    for (unsigned i = 0; i < options->nr_virtio_mems && ret == 0; i++)
        ret = resolve_virtio_mem(options, &seen, &options->virtio_mems[i]);
    if (ret == 0 && options->maxmem &&
        options->maxmem < options->ram_mb * MIB) {
        log_error("-m maxmem=%" PRIu64 " is below the %" PRIu64
                  " bytes of RAM (xl.cfg: " KEY ")",
                  options->maxmem, options->ram_mb * MIB);
        ret = -EINVAL;
    }
    return ret;
}
