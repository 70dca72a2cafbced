/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dm/bus.h"
#include "dm/device.h"
#include "dm/linux-boot.h"
#include "dm/log.h"
#include "dm/machine.h"
#include "dm/pci.h"
#include "dm/rom/boot-rom.h"

#include "xenram/ram.h"

/*
 * The ROM is shown by the host bridge: a guest has one whatever else it has,
 * hvmloader places the ROM BAR of any function, SeaBIOS runs the ROM of any
 * that is not a display and that no driver of its own took, and Linux never
 * moves the resources of a host bridge.
 */
#define HOST_BRIDGE PCI_DEVFN(0, 0)

/*
 * While the BAR is off: inside what hvmloader reserves in the E820 map and
 * above what its mem_hole_alloc takes, which goes downwards from here.
 */
#define HOME_GFN 0xfe000
#define MAX_LENGTH 0x10000u

#define SMALLEST_ROM_BAR 2048u

/* PCI Firmware Specification 3.0, 5.1.2.2 */
#define PCIR_VENDOR 0x04
#define PCIR_DEVICE 0x06
#define PCIR_CLASS 0x0d
/* Plug and Play BIOS Specification 1.0A, 3.2 */
#define PNP_LENGTH 0x05 /* in units of 16 bytes */
#define PNP_SUM 0x09

#define CONFIG_VENDOR 0x00
#define CONFIG_DEVICE 0x02
#define CONFIG_CLASS 0x09

struct boot_rom {
    struct linux_boot boot; /* open until the doorbell has rung */
    struct pci_function *function;
    struct xen_ram_block *block;
    uint64_t size; /* that the block has when the guest starts */
    bool claimed;  /* the ports */
    uint32_t status;
    struct linux_boot_entry entry;
};

/* ---- the image ---- */

static uint8_t sum(const uint8_t *bytes, size_t len)
{
    uint8_t total = 0;

    while (len > 0)
        total = (uint8_t)(total + bytes[--len]);
    return total;
}

static unsigned get16(const uint8_t *bytes)
{
    return bytes[0] | (unsigned)bytes[1] << 8;
}

/* A BIOS compares the ids with those of the function that shows the ROM. */
static int write_image(struct boot_rom *rom, struct machine *machine)
{
    const uint8_t *config = rom->function->config;
    uint8_t image[BOOT_ROM_SIZE];
    uint8_t *pcir, *pnp;

    memcpy(image, boot_rom_image, sizeof(image));
    pcir = image + get16(image + BOOT_ROM_PCIR_OFFSET);
    memcpy(pcir + PCIR_VENDOR, config + CONFIG_VENDOR, 2);
    memcpy(pcir + PCIR_DEVICE, config + CONFIG_DEVICE, 2);
    memcpy(pcir + PCIR_CLASS, config + CONFIG_CLASS, 3);

    pnp = image + get16(image + BOOT_ROM_PNP_OFFSET);
    pnp[PNP_SUM] = (uint8_t)-sum(pnp, pnp[PNP_LENGTH] * 16u);
    image[BOOT_ROM_SUM_OFFSET] = (uint8_t)-sum(image, sizeof(image));
    return xen_ram_write(machine->ram, rom->block, 0, image, sizeof(image));
}

/* What follows the image, of which a loaded state may have had a longer one. */
static int clear_rest(struct boot_rom *rom, struct xen_ram *ram)
{
    static const uint8_t zeroes[XEN_RAM_PAGE_SIZE];
    uint64_t end = xen_ram_used_length(rom->block), n;
    int ret = 0;

    for (uint64_t at = BOOT_ROM_SIZE; at < end && ret == 0; at += n) {
        n = end - at < sizeof(zeroes) ? end - at : sizeof(zeroes);
        ret = xen_ram_write(ram, rom->block, at, zeroes, (size_t)n);
    }
    return ret;
}

/* The BAR is as large as the block, which a loaded state may resize. */
static void set_bar(struct boot_rom *rom, uint64_t length)
{
    struct pci_bar bar = {
        .kind = PCI_BAR_ROM,
        .size = SMALLEST_ROM_BAR,
        .block = rom->block,
        .home_gfn = HOME_GFN,
    };

    while (bar.size < length)
        bar.size *= 2;
    pci_set_bar(rom->function, PCI_ROM_BAR, &bar);
}

static void resized(struct xen_ram_block *block, uint64_t old_length,
                    uint64_t new_length, void *opaque)
{
    (void)block;
    (void)old_length;
    set_bar(opaque, new_length);
}

/* ---- the doorbell ---- */

static void hand_over(struct device *device, uint64_t ram_end)
{
    struct boot_rom *rom = device->state;
    char error[LINUX_BOOT_ERROR_MAX];

    rom->status = BOOT_ROM_FAILED;
    if (!rom->boot.setup) {
        log_error("no kernel for the guest: it was saved before it had one, or "
                  "asks twice; create it anew");
        return;
    }
    if (ram_end > machine_low_ram(device->machine))
        log_error("no kernel for the guest: its firmware says that RAM ends at "
                  "%#" PRIx64 ", it has only %#" PRIx64,
                  ram_end, machine_low_ram(device->machine));
    else if (linux_boot_load(&rom->boot, device->machine, ram_end, &rom->entry,
                             error))
        log_error("no kernel for the guest: %s", error);
    else
        rom->status = BOOT_ROM_READY;
    linux_boot_close(&rom->boot);
}

static uint64_t doorbell_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct device *device = opaque;
    const struct boot_rom *rom = device->state;
    uint64_t ports = rom->status;

    (void)size;
    if (rom->status == BOOT_ROM_READY) {
        ports |= (uint64_t)rom->entry.setup_segment << 8 * BOOT_ROM_ENTRY;
        ports |= (uint64_t)rom->entry.stack << 8 * BOOT_ROM_STACK;
    }
    return offset < 8 ? ports >> 8 * offset : 0;
}

static void doorbell_write(void *opaque, uint64_t offset, unsigned size,
                           uint64_t value)
{
    struct device *device = opaque;
    struct boot_rom *rom = device->state;

    if (offset != BOOT_ROM_RING || size != 4)
        return;
    if (rom->status == BOOT_ROM_IDLE) {
        hand_over(device, value & UINT32_MAX);
        return;
    }
    rom->status = BOOT_ROM_FAILED;
    log_guest("the boot doorbell rang again; a kernel is handed over once");
}

static const struct bus_ops doorbell_ops = {
    .read = doorbell_read,
    .write = doorbell_write,
};

/* ---- life ---- */

static int open_files(struct boot_rom *rom, const struct options *options)
{
    char error[LINUX_BOOT_ERROR_MAX];
    int ret = linux_boot_open(&rom->boot, options->kernel, options->initrd,
                              options->append, error);

    if (ret)
        log_error("%s", error);
    return ret;
}

static int make_block(struct device *device)
{
    struct boot_rom *rom = device->state;
    struct xen_ram_spec spec = {
        .idstr = "xenram/boot.rom",
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_ROM | XEN_RAM_RESIZEABLE,
        .gfn = HOME_GFN,
        .size = BOOT_ROM_SIZE,
        .max_length = MAX_LENGTH,
        .resized = resized,
        .opaque = rom,
    };
    int ret = machine_alloc_ram(device->machine, &spec, &rom->block);

    if (ret)
        return ret;
    rom->size = xen_ram_size(rom->block);
    if (!device->machine->loading)
        ret = write_image(rom, device->machine);
    if (ret)
        log_error("boot ROM: cannot be written: %s", strerror(-ret));
    return ret;
}

static int boot_rom_init(struct device *device)
{
    struct boot_rom *rom = device->state;
    struct machine *machine = device->machine;
    int ret = 0;

    rom->function = machine->pci[HOST_BRIDGE];
    if (!rom->function)
        return -ENODEV;
    /* A guest that is restored got its kernel where it comes from. */
    if (!machine->loading)
        ret = open_files(rom, machine->options);
    if (ret)
        return ret;
    ret = make_block(device);
    if (ret)
        return ret;
    set_bar(rom, xen_ram_used_length(rom->block));

    ret = bus_add(machine->bus, BUS_PIO, BOOT_ROM_PORT, BOOT_ROM_NR_PORTS,
                  &doorbell_ops, device);
    if (ret) {
        log_error("boot ROM: ports %#x: %s", BOOT_ROM_PORT, strerror(-ret));
        return ret;
    }
    rom->claimed = true;
    return 0;
}

/* Next time it starts the guest finds the ROM of this program. */
static void boot_rom_reset(struct device *device)
{
    struct boot_rom *rom = device->state;
    struct xen_ram *ram = device->machine->ram;
    int ret;

    rom->status = BOOT_ROM_IDLE;
    /* A guest with too little memory goes on with the length it has. */
    if (xen_ram_resize(ram, rom->block, rom->size))
        log_error("boot ROM: %s", xen_ram_error(ram));
    ret = write_image(rom, device->machine);
    if (ret == 0)
        ret = clear_rest(rom, ram);
    if (ret)
        log_error("boot ROM: cannot be written: %s", strerror(-ret));
}

static void boot_rom_fini(struct device *device)
{
    struct boot_rom *rom = device->state;
    struct machine *machine = device->machine;

    if (rom->claimed)
        bus_remove(machine->bus, BUS_PIO, BOOT_ROM_PORT);
    if (rom->block) {
        pci_set_bar(rom->function, PCI_ROM_BAR, &(struct pci_bar){0});
        /* A guest that has run may live on without us, and keeps its ROM. */
        if (machine->status == MACHINE_PRELAUNCH)
            xen_ram_free(machine->ram, rom->block);
    }
    linux_boot_close(&rom->boot);
    *rom = (struct boot_rom){0};
}

static const struct xen_migrate_field boot_rom_fields[] = {
    XEN_MIGRATE_FIELD_RANGE(U32, boot_rom, status, 0, BOOT_ROM_FAILED),
    XEN_MIGRATE_FIELD(U16, boot_rom, entry.setup_segment),
    XEN_MIGRATE_FIELD(U16, boot_rom, entry.stack),
    {.type = XEN_MIGRATE_END},
};

static const struct xen_migrate_state boot_rom_saved = {
    .name = "boot-rom",
    .version = 1,
    .minimum = 1,
    .size = sizeof(struct boot_rom),
    .fields = boot_rom_fields,
};

const struct device_ops device_boot_rom = {
    .name = "boot-rom",
    .state_size = sizeof(struct boot_rom),
    .saved = &boot_rom_saved,
    .init = boot_rom_init,
    .reset = boot_rom_reset,
    .fini = boot_rom_fini,
};
