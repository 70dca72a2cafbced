/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dm/block-names.h"
#include "dm/block/disks.h"
#include "dm/chardev.h"
#include "dm/machine.h"
#include "dm/mapcache-counters.h"
#include "dm/memory-info.h"
#include "dm/pci.h"
#include "dm/qmp-commands.h"
#include "dm/qmp.h"

#include "xenram/ram.h"

#define EOL "\r\n"

static void print_block(FILE *out, const struct xen_ram_block *block)
{
    uint64_t gfn = xen_ram_gfn(block);
    char gpa[24] = "-";

    if (gfn != XEN_RAM_NO_GFN)
        snprintf(gpa, sizeof(gpa), "0x%" PRIx64, gfn * XEN_RAM_PAGE_SIZE);
    fprintf(out,
            "%-24s %-8s %-12s %#-12" PRIx64 " %#-12" PRIx64 " %#-12" PRIx64
            " %#-12" PRIx64,
            xen_ram_idstr(block), block_kind(block), gpa, xen_ram_offset(block),
            xen_ram_size(block), xen_ram_used_length(block),
            xen_ram_max_length(block));
    for (const struct block_attribute *a = block_attributes; a->flag; a++)
        if (xen_ram_get_flags(block) & a->flag)
            fprintf(out, " %s", a->monitor);
    if (xen_ram_path(block))
        fprintf(out, " %s", xen_ram_path(block));
    fputs(EOL, out);
}

static void info_ram(FILE *out, const struct machine *machine)
{
    const struct xen_ram_block *block = NULL;

    fprintf(out, "%-24s %-8s %-12s %-12s %-12s %-12s %-12s attributes" EOL,
            "block", "kind", "gpa", "offset", "size", "used", "max");
    while ((block = xen_ram_next(machine->ram, block)))
        print_block(out, block);
}

static void print_counter(void *opaque, const char *name, uint64_t value)
{
    fprintf(opaque, "%s: %" PRIu64 EOL, name, value);
}

static void info_mapcache(FILE *out, const struct machine *machine)
{
    mapcache_counters(machine, print_counter, out);
}

static void info_pci(FILE *out, const struct machine *machine)
{
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        const struct pci_function *function = machine->pci[devfn];

        if (!function || !function->present)
            continue;
        fprintf(out, "00:%02x.%x %02x%02x:%02x%02x %s" EOL, devfn >> 3,
                devfn & 7, function->config[1], function->config[0],
                function->config[3], function->config[2], function->name);
        for (unsigned i = 0; i < PCI_NR_BARS; i++) {
            const struct pci_bar *bar = &function->bars[i];

            if (bar->kind == PCI_BAR_NONE)
                continue;
            fprintf(out, "    BAR%u: %s, 0x%" PRIx32 " bytes, ", i,
                    bar->kind == PCI_BAR_IO ? "I/O" : "memory", bar->size);
            if (bar->mapped == PCI_UNMAPPED)
                fprintf(out, "off" EOL);
            else
                fprintf(out, "at 0x%" PRIx64 EOL, bar->mapped);
        }
    }
}

static void info_version(FILE *out, const struct machine *machine)
{
    (void)machine;
    fprintf(out, "%d.%d.%d (xenram %s)" EOL, QMP_VERSION_MAJOR,
            QMP_VERSION_MINOR, QMP_VERSION_MICRO, PACKAGE_VERSION);
}

static void info_status(FILE *out, const struct machine *machine)
{
    if (machine->status == MACHINE_RUNNING)
        fprintf(out, "VM status: running" EOL);
    else
        fprintf(out, "VM status: paused (%s)" EOL,
                machine_status_name(machine));
}

static void info_chardev(FILE *out, const struct machine *machine)
{
    for (unsigned i = 0; i < OPTIONS_MAX_SERIALS; i++) {
        const struct chardev *serial = machine->serials[i];

        if (serial)
            fprintf(out, "%s: filename=%s" EOL, chardev_label(serial),
                    chardev_filename(serial));
    }
}

static const char *cache_name(enum disk_cache cache)
{
    switch (cache) {
    case DISK_WRITEBACK:
        return "writeback";
    case DISK_WRITETHROUGH:
        return "writethrough";
    case DISK_UNSAFE:
        break;
    }
    return "writeback, ignore flushes";
}

static void info_block(FILE *out, const struct machine *machine)
{
    struct disk *disk = NULL;

    while ((disk = disks_next(machine->disks, disk))) {
        if (disk_has_medium(disk))
            fprintf(out, "%s: %s (raw%s), %" PRIu64 " bytes" EOL, disk_id(disk),
                    disk_path(disk), disk_read_only(disk) ? ", read-only" : "",
                    disk_nr_sectors(disk) * DISK_SECTOR);
        else
            fprintf(out, "%s: [not inserted]" EOL, disk_id(disk));
        if (disk_removable(disk))
            fprintf(out, "    Removable device: %slocked, tray %s" EOL,
                    disk_tray_locked(disk) ? "" : "not ",
                    disk_tray_open(disk) ? "open" : "closed");
        fprintf(out, "    Cache mode:       %s" EOL,
                cache_name(disk_get_cache(disk)));
    }
}

static void info_blockstats(FILE *out, const struct machine *machine)
{
    struct disk *disk = NULL;

    while ((disk = disks_next(machine->disks, disk))) {
        struct disk_stats stats;

        disk_get_stats(disk, &stats);
        fprintf(
            out,
            "%s: rd_bytes=%" PRIu64 " wr_bytes=%" PRIu64
            " rd_operations=%" PRIu64 " wr_operations=%" PRIu64
            " flush_operations=%" PRIu64 " failed=%" PRIu64 " in_flight=%u" EOL,
            disk_id(disk), stats.rd_bytes, stats.wr_bytes, stats.rd_operations,
            stats.wr_operations, stats.flush_operations,
            stats.failed_rd_operations + stats.failed_wr_operations +
                stats.failed_flush_operations,
            disk_in_flight(disk));
    }
}

static const struct {
    const char *name, *text;
    void (*print)(FILE *out, const struct machine *machine);
} infos[] = {
    {"block", "disks and their images", info_block},
    {"blockstats", "what they did", info_blockstats},
    {"chardev", "serial ports", info_chardev},
    {"mapcache", "counters of the map cache", info_mapcache},
    {"memory-devices", "memory beside RAM", memory_print_devices},
    {"memory_size_summary", "how much of it there is", memory_print_size},
    {"pci", "functions and their BARs", info_pci},
    {"ram", "RAM blocks", info_ram},
    {"status", "running or paused", info_status},
    {"version", "of QMP and of xenram", info_version},
};
#define NR_INFOS (sizeof(infos) / sizeof(infos[0]))

static void help(FILE *out)
{
    fprintf(out, "help -- this text" EOL);
    for (size_t i = 0; i < NR_INFOS; i++)
        fprintf(out, "info %s -- %s" EOL, infos[i].name, infos[i].text);
}

static void info(FILE *out, const struct machine *machine, const char *name)
{
    if (!machine) {
        fprintf(out, "there is no guest in a probe run" EOL);
        return;
    }
    for (size_t i = 0; i < NR_INFOS; i++) {
        if (strcmp(infos[i].name, name) == 0) {
            infos[i].print(out, machine);
            return;
        }
    }
    if (name[0])
        fprintf(out, "unknown command: 'info %.100s'" EOL, name);
    help(out);
}

/* Cuts the next word off *text; "" at the end. */
static char *next_word(char **text)
{
    char *word = *text + strspn(*text, " \t\r\n");
    size_t len = strcspn(word, " \t\r\n");

    *text = word + len + (word[len] != '\0');
    word[len] = '\0';
    return word;
}

static void run(FILE *out, const struct machine *machine, char *text)
{
    const char *command = next_word(&text);

    if (strcmp(command, "help") == 0 || strcmp(command, "?") == 0)
        help(out);
    else if (strcmp(command, "info") == 0)
        info(out, machine, next_word(&text));
    else if (command[0])
        fprintf(out, "unknown command: '%.100s'" EOL, command);
}

char *monitor_run(struct machine *machine, const char *line)
{
    char *copy = strdup(line), *text = NULL;
    size_t size = 0;
    FILE *out = copy ? open_memstream(&text, &size) : NULL;

    if (out) {
        run(out, machine, copy);
        if (fclose(out)) {
            free(text);
            text = NULL;
        }
    }
    free(copy);
    return text;
}
