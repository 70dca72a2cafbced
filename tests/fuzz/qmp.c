/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * What a QMP client may send, behind the negotiation: every message gets one
 * reply of the right shape.  The first byte of an input is the length of the
 * pieces that it arrives in; a piece that begins with '!' brings a descriptor
 * along, without the '!'.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <json-c/json.h>

#include "dm/qmp-commands.h"
#include "dm/qmp-session.h"

#include "tests/unit/fake-machine.h"

#define NR_FDS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    struct qmp_context context;
    struct qmp_session session;
    struct options options;
    int fds[NR_FDS];
    unsigned nr_fds; /* still ours */
};

static void expect(bool holds)
{
    if (!holds)
        abort();
}

static void check_reply(struct json_object *reply)
{
    struct json_object *error, *class, *desc;
    bool good = json_object_object_get_ex(reply, "return", NULL);
    size_t len;
    const char *text = json_object_to_json_string_length(
        reply, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

    expect(!memmem(text, len, "\r\n", 2));
    if (json_object_object_get_ex(reply, "error", &error)) {
        expect(!good);
        expect(json_object_object_get_ex(error, "class", &class) &&
               json_object_is_type(class, json_type_string));
        expect(json_object_object_get_ex(error, "desc", &desc) &&
               json_object_get_string_len(desc) > 0);
    } else {
        expect(good);
    }
    json_object_put(reply);
}

/* Returns false when the connection would end. */
static bool feed(struct qmp_session *session, const char *buf, size_t len)
{
    bool answered = false;

    while (len) {
        struct json_object *reply;
        size_t used;
        int ret = qmp_session_feed(session, buf, len, &used, &reply);

        expect(used <= len);
        expect(ret == 0 || reply);
        answered = answered || reply;
        if (reply)
            check_reply(reply);
        if (ret || session->quit)
            return false;
        expect(used > 0);
        buf += used;
        len -= used;
    }
    if (answered) {
        qmp_session_idle(session);
        expect(session->length || session->fd == -1);
    }
    return true;
}

static void feed_pieces(struct input *input, const char *buf, size_t len,
                        size_t piece)
{
    size_t offset = 0;

    while (offset < len) {
        size_t nr = len - offset < piece ? len - offset : piece;
        size_t mark = buf[offset] == '!' && input->nr_fds > 0;
        char *copy = malloc(nr - mark + 1);
        bool goes_on;

        expect(copy != NULL);
        memcpy(copy, buf + offset + mark, nr - mark);
        if (mark)
            qmp_session_pass_fd(&input->session, input->fds[--input->nr_fds]);
        goes_on = feed(&input->session, copy, nr - mark);
        free(copy);
        if (!goes_on)
            return;
        offset += nr;
    }
}

/* No command shall open a file of this machine: there are no numbers left. */
static void forbid_files(bool forbid, struct rlimit *limit)
{
    struct rlimit none;

    if (forbid)
        expect(getrlimit(RLIMIT_NOFILE, limit) == 0);
    none = (struct rlimit){0, limit->rlim_max};
    expect(setrlimit(RLIMIT_NOFILE, forbid ? &none : limit) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.options = {.name = "guest"}};
    struct rlimit limit;

    if (size < 2)
        return 0;
    fake_machine_reset();
    fake.save_bytes = 16;
    input.context.machine = data[0] & 0x80 ? NULL : &fake.machine;
    input.context.options = &input.options;
    qmp_fdsets_init(&input.context.fdsets);
    expect(qmp_session_init(&input.session, &input.context) == 0);
    input.session.negotiated = true;
    for (; input.nr_fds < NR_FDS; input.nr_fds++)
        input.fds[input.nr_fds] = open("/dev/null", O_RDWR | O_CLOEXEC);

    forbid_files(true, &limit);
    feed_pieces(&input, (const char *)data + 1, size - 1,
                (data[0] & 0x7f) ? data[0] & 0x7f : size);
    forbid_files(false, &limit);

    while (input.nr_fds)
        close(input.fds[--input.nr_fds]);
    qmp_session_fini(&input.session);
    qmp_fdsets_fini(&input.context.fdsets);
    return 0;
}
