/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "migrate/vmdesc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "migrate/error.h"
#include "migrate/fields.h"
#include "migrate/ownership.h"

void vmdesc_string(FILE *json, const char *string)
{
    fputc('"', json);
    for (; *string; string++) {
        unsigned char c = (unsigned char)*string;

        if (c == '"' || c == '\\')
            fprintf(json, "\\%c", c);
        else if (c < 0x20 || c > 0x7e)
            fprintf(json, "\\u%04x", c);
        else
            fputc(c, json);
    }
    fputc('"', json);
}

static void open_device(FILE *json, const char *name, uint32_t instance,
                        uint32_t version)
{
    fputs("{\"name\":", json);
    vmdesc_string(json, name);
    fprintf(json, ",\"instance_id\":%" PRIu32 ",\"vmsd_name\":", instance);
    vmdesc_string(json, name);
    fprintf(json, ",\"version\":%" PRIu32 ",", version);
}

static void describe(FILE *json, const struct xen_ram *ram,
                     const struct xen_migrate_device *devices, size_t nr)
{
    fprintf(json, "{\"page_size\":%u,\"devices\":[", XEN_RAM_PAGE_SIZE);
    open_device(json, OWNERSHIP_NAME, 0, OWNERSHIP_VERSION);
    ownership_describe(json, ram);
    for (size_t i = 0; i < nr; i++) {
        const struct xen_migrate_state *saved = devices[i].saved;

        fputs("},", json);
        open_device(json, saved->name, devices[i].instance, saved->version);
        fields_describe(json, saved, devices[i].state);
    }
    fputs("},", json);
    open_device(json, WIRE_SUM_NAME, 0, WIRE_SUM_VERSION);
    fputs("\"fields\":[{\"name\":\"crc32\",\"type\":\"uint32\",\"size\":4}]}]}",
          json);
}

/*
 * The script takes the first '{' behind the last zero byte of the file for the
 * start of the description, so none may be in the length after its last zero.
 */
static bool misleads(uint32_t length)
{
    for (; length & 0xff; length >>= 8) {
        if ((length & 0xff) == '{')
            return true;
    }
    return false;
}

static void put(struct wire_writer *out, const char *text, size_t len)
{
    size_t padded = len;

    while (misleads((uint32_t)padded))
        padded++;

    wire_put_u8(out, WIRE_VMDESC);
    wire_put_u32(out, (uint32_t)padded);
    wire_put_bytes(out, text, len);
    for (; len < padded; len++)
        wire_put_u8(out, ' ');
}

int vmdesc_save(struct wire_writer *out, const struct xen_ram *ram,
                const struct xen_migrate_device *devices, size_t nr,
                char *error)
{
    char *text = NULL;
    size_t len = 0;
    bool failed;
    FILE *json = open_memstream(&text, &len);

    if (!json)
        return migrate_error(error, -ENOMEM,
                             "no memory for the description of the stream");
    describe(json, ram, devices, nr);
    failed = ferror(json);
    failed |= fclose(json) != 0;
    if (!failed)
        put(out, text, len);
    free(text);
    return failed ? migrate_error(error, -ENOMEM,
                                  "no memory for the description of the "
                                  "stream")
                  : 0;
}
