/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/block/format.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "dm/block/image.h"
#include "dm/log.h"

#define MAGIC_MAX 8

static const struct {
    const char *name;
    char magic[MAGIC_MAX];
    size_t len;
} formats[] = {
    {"qcow2", "QFI\xfb", 4}, /* qcow too: the version follows */
    {"qed", "QED", 4},       {"vmdk", "KDMV", 4},
    {"vpc", "conectix", 8},  {"vhdx", "vhdxfile", 8},
};

int format_check(const struct image_want *want, int fd)
{
    char start[MAGIC_MAX] = "";
    ssize_t len = pread(fd, start, sizeof(start), 0);
    const char *name = NULL;

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (len >= (ssize_t)formats[i].len &&
            memcmp(start, formats[i].magic, formats[i].len) == 0)
            name = formats[i].name;
    }
    if (!name)
        return 0;
    if (want->raw) {
        log_warn("disk %s: %s begins like %s and is used as raw: the guest "
                 "sees the container (qemu-img convert -O raw makes an image "
                 "of it)",
                 want->id, want->path, name);
        return 0;
    }
    log_error("disk %s: %s looks like %s: only raw is supported; convert it "
              "with qemu-img convert -O raw, or say format=raw (xl.cfg: disk)",
              want->id, want->path, name);
    return -EINVAL;
}
