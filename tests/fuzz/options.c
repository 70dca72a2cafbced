/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * A command line, one word a line: it is accepted with every field in its
 * range, or refused with exactly one error line.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dm/options.h"

#include "tests/fuzz/quiet-log.h"

#define MAX_WORDS 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds)
        abort();
}

/* These print to stdout. */
static bool prints(const char *word)
{
    static const char *const words[] = {"-help", "-h", "-version"};

    word += word[0] == '-' && word[1] == '-';
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

static void check_drives(const struct options_drive *drives)
{
    for (unsigned i = 0; i < OPTIONS_MAX_DRIVES; i++) {
        if (!drives[i].id)
            continue;
        expect(drives[i].file ? *drives[i].file : drives[i].cdrom);
        expect(drives[i].read_only || !drives[i].cdrom);
        for (unsigned j = 0; j < i; j++)
            expect(!drives[j].id || strcmp(drives[i].id, drives[j].id) != 0);
    }
}

static void check_memory(const struct options *options)
{
    expect(options->nr_backends <= OPTIONS_MAX_BACKENDS);
    expect(options->nr_dimms <= OPTIONS_MAX_DIMMS);
    expect(options->nr_virtio_mems <= OPTIONS_MAX_VIRTIO_MEMS);
    expect(!options->maxmem || options->maxmem >= options->ram_mb << 20);
    for (unsigned i = 0; i < options->nr_dimms; i++)
        expect(options->dimms[i].size && options->dimms[i].size % 4096 == 0);
    for (unsigned i = 0; i < options->nr_virtio_mems; i++) {
        const struct options_virtio_mem *mem = &options->virtio_mems[i];

        expect(mem->block_size >= 1u << 20 &&
               !(mem->block_size & (mem->block_size - 1)));
        expect(mem->size % mem->block_size == 0 &&
               mem->requested_size % mem->block_size == 0 &&
               mem->requested_size <= mem->size);
    }
}

static void check_run(const struct options *options)
{
    expect(options->domid > 0 && options->domid < 0x7ff0);
    expect(options->ram_mb > 0);
    expect(options->max_vcpus >= 1 && options->max_vcpus <= 128);
    expect(options->incoming_fd == -1 || options->incoming_fd > 2);
    expect(options->kernel || (!options->initrd && !options->append));
    expect(strspn(options->boot_order, "acdn") == strlen(options->boot_order));
    expect(options->nr_nics <= OPTIONS_MAX_NICS);
    for (unsigned i = 0; i < options->nr_nics; i++) {
        expect(options->nics[i].ifname && strlen(options->nics[i].ifname) < 16);
        expect(!options->nics[i].model == !options->nics[i].id);
    }
    check_drives(options->drives);
    check_memory(options);
}

static void check(const struct options *options)
{
    expect(options->nr_qmp <= OPTIONS_MAX_QMP);
    for (unsigned i = 0; i < options->nr_qmp; i++) {
        const struct options_qmp *qmp = &options->qmp[i];

        expect(qmp->id != NULL);
        expect(qmp->path ? strlen(qmp->path) < 108 && qmp->fd == -1
                         : qmp->fd > 2);
    }
    if (options->action == OPTIONS_PROBE)
        expect(options->nr_qmp > 0);
    else
        check_run(options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct options options;
    char *text = malloc(size + 1), *next = text, *word;
    char *argv[MAX_WORDS + 2] = {"xenram-dm"};
    int argc = 1, ret;

    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    while ((word = strsep(&next, "\n")) && argc <= MAX_WORDS) {
        if (prints(word))
            goto out;
        argv[argc++] = word;
    }
    /* The last newline ends a word and begins none. */
    if (argc > 1 && !argv[argc - 1][0])
        argv[--argc] = NULL;

    quiet_log_errors = 0;
    ret = options_parse(argc, argv, &options);
    expect(ret == 0 || ret == -EINVAL);
    expect(quiet_log_errors == (ret ? 1 : 0));
    if (ret == 0)
        check(&options);
out:
    free(text);
    return 0;
}
