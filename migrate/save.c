/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "xenram/migrate.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "migrate/error.h"
#include "migrate/fields.h"
#include "migrate/ownership.h"
#include "migrate/pages.h"
#include "migrate/vmdesc.h"
#include "migrate/wire.h"

static int put_stream(struct wire_writer *out, struct xen_ram *ram,
                      const struct xen_migrate_device *devices, size_t nr,
                      char *error)
{
    uint32_t id = 0;
    int r;

    wire_put_u32(out, WIRE_MAGIC);
    wire_put_u32(out, WIRE_VERSION);

    wire_put_header(out, WIRE_FULL, id++, OWNERSHIP_NAME, 0, OWNERSHIP_VERSION);
    r = ownership_save(out, ram, error);
    if (r)
        return r;
    pages_save(out, id++, ram);
    for (size_t i = 0; i < nr; i++) {
        const struct xen_migrate_state *saved = devices[i].saved;

        wire_put_header(out, WIRE_FULL, id++, saved->name, devices[i].instance,
                        saved->version);
        fields_save(out, saved, devices[i].state);
    }

    wire_put_header(out, WIRE_FULL, id, WIRE_SUM_NAME, 0, WIRE_SUM_VERSION);
    wire_put_u32(out, wire_put_sum(out));
    wire_put_u8(out, WIRE_EOF);
    return 0;
}

/*
 * libxl hands over the file of an earlier save and carries all of it, so what
 * is behind the end has to go.  Pipes and devices have nothing there.
 */
static int cut_off(int fd)
{
    off_t end = lseek(fd, 0, SEEK_CUR);

    if (end < 0)
        return errno == ESPIPE ? 0 : -errno;
    if (ftruncate(fd, end) < 0 && errno != EINVAL)
        return -errno;
    return 0;
}

int xen_migrate_save(struct xen_ram *ram,
                     const struct xen_migrate_device *devices, size_t nr,
                     const struct xen_migrate_options *options, int fd,
                     char error[XEN_MIGRATE_ERROR_MAX])
{
    struct wire_writer *out;
    int r;

    error[0] = '\0';
    r = fields_check_devices(devices, nr, error);
    if (r)
        return r;
    out = wire_writer_new(fd);
    if (!out)
        return migrate_error(error, -ENOMEM, "no memory to save the state");

    r = put_stream(out, ram, devices, nr, error);
    if (!r && options && options->vmdesc)
        r = vmdesc_save(out, ram, devices, nr, error);
    if (r)
        goto out_free;

    r = wire_flush(out);
    if (!r)
        r = cut_off(fd);
    if (r)
        migrate_error(error, r, "the state cannot be written: %s",
                      strerror(-r));

out_free:
    wire_writer_free(out);
    return r;
}
