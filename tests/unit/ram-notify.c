/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/ram-env.h"

/* What a notifier was told, as text. */
struct diary {
    char text[512];
    bool refuse;
    const char *reason;
    const uint8_t *host; /* of a private block, to see when memory goes */
};

static void note(struct diary *diary, const char *what,
                 const struct xen_ram_block *block)
{
    size_t len = strlen(diary->text);

    snprintf(diary->text + len, sizeof(diary->text) - len, "%s %s%s;", what,
             xen_ram_idstr(block),
             !diary->host                         ? ""
             : accessible(diary->host + 2 * PAGE) ? " there"
                                                  : " gone");
}

static void on_added(struct xen_ram_block *block, void *opaque)
{
    note(opaque, "+", block);
}

static void on_removed(struct xen_ram_block *block, void *opaque)
{
    note(opaque, "-", block);
}

static int on_prepare(struct xen_ram_block *block, uint64_t new_length,
                      char *reason, void *opaque)
{
    struct diary *diary = opaque;

    assert_int_not_equal(new_length, 0);
    assert_int_equal(reason[0], '\0');
    note(diary, "?", block);
    /* Also when it agrees: then nobody reads it. */
    if (diary->reason)
        snprintf(reason, XEN_RAM_REASON_MAX, "%s", diary->reason);
    return diary->refuse ? -EBUSY : 0;
}

static void on_abandoned(struct xen_ram_block *block, uint64_t new_length,
                         void *opaque)
{
    assert_int_not_equal(xen_ram_used_length(block), new_length);
    note(opaque, "not", block);
}

static void on_resized(struct xen_ram_block *block, uint64_t old_length,
                       uint64_t new_length, void *opaque)
{
    assert_int_equal(xen_ram_used_length(block), new_length);
    note(opaque,
         new_length > old_length   ? "grown"
         : new_length < old_length ? "shrunk"
                                   : "same",
         block);
}

static void notifiers_are_told_in_order(void **state)
{
    struct env *env = *state;
    struct diary diary = {0};
    struct xen_ram_notifier notifier = {
        .added = on_added,
        .removed = on_removed,
        .prepare_resize = on_prepare,
        .resized = on_resized,
        .opaque = &diary,
    };
    struct xen_ram_notifier silent = {0};
    struct xen_ram_block *v = visible(env, "v", 0, PAGE);
    struct xen_ram_block *p = private(env, PAGE, 8 * PAGE);

    xen_ram_notifier_add(env->ram, &silent);
    xen_ram_notifier_add(env->ram, &notifier);
    assert_string_equal(diary.text, "+ v;+ private;");
    diary = (struct diary){.host = xen_ram_host(p)};
    assert_int_equal(xen_ram_resize(env->ram, p, 4 * PAGE), 0);
    assert_int_equal(xen_ram_resize(env->ram, p, 4 * PAGE - 1), 0);
    assert_int_equal(xen_ram_resize(env->ram, p, PAGE), 0);
    assert_string_equal(diary.text, "? private gone;grown private there;"
                                    "? private there;same private there;"
                                    "? private there;shrunk private there;");
    diary = (struct diary){.refuse = true};
    assert_int_equal(xen_ram_resize(env->ram, p, 4 * PAGE), -EBUSY);
    assert_error_says(env, "'private'");
    assert_int_equal(xen_ram_size(p), PAGE);
    assert_string_equal(diary.text, "? private;");

    diary = (struct diary){0};
    xen_ram_free(env->ram, v);
    xen_ram_notifier_remove(env->ram, &notifier);
    xen_ram_notifier_remove(env->ram, &notifier);
    xen_ram_notifier_remove(env->ram, &silent);
    assert_int_equal(xen_ram_resize(env->ram, p, 4 * PAGE), 0);
    assert_string_equal(diary.text, "- v;- private;");
}

static void whoever_agreed_to_a_resize_hears_how_it_ended(void **state)
{
    struct env *env = *state;
    struct diary first = {.reason = "not read"};
    struct diary second = {.refuse = true, .reason = "a card maps it"};
    struct xen_ram_notifier notifiers[2] = {
        {
            .prepare_resize = on_prepare,
            .abandoned = on_abandoned,
            .resized = on_resized,
            .opaque = &first,
        },
        {
            .prepare_resize = on_prepare,
            .abandoned = on_abandoned,
            .resized = on_resized,
            .opaque = &second,
        },
    };
    struct xen_ram_block *v = visible(env, "v", XEN_RAM_RESIZEABLE, 2 * PAGE);

    xen_ram_notifier_add(env->ram, &notifiers[0]);
    xen_ram_notifier_add(env->ram, &notifiers[1]);
    assert_int_equal(xen_ram_resize(env->ram, v, 4 * PAGE), -EBUSY);
    assert_error_says(env, "refuses to go from 0x2000 to 0x4000 bytes: a card "
                           "maps it");
    assert_string_equal(first.text, "? v;not v;");
    assert_string_equal(second.text, "? v;");

    /* Memory does not come. */
    first = second = (struct diary){0};
    fakexen_set_maxmem(DOMID, env->tot + 3);
    assert_int_equal(xen_ram_resize(env->ram, v, 4 * PAGE), -ENOSPC);
    assert_string_equal(first.text, "? v;not v;");
    assert_string_equal(second.text, "? v;not v;");

    /* Memory does not go. */
    first = second = (struct diary){0};
    fakexen_fail(FAKEXEN_DECREASE, 1, 1, EPERM);
    assert_int_equal(xen_ram_resize(env->ram, v, PAGE), -EPERM);
    fakexen_fail(FAKEXEN_DECREASE, 1, 1, 0);
    assert_string_equal(second.text, "? v;shrunk v;grown v;");

    first = second = (struct diary){0};
    assert_int_equal(xen_ram_resize(env->ram, v, 3 * PAGE), 0);
    assert_string_equal(first.text, "? v;grown v;");
    xen_ram_notifier_remove(env->ram, &notifiers[0]);
    xen_ram_notifier_remove(env->ram, &notifiers[1]);
}

static void the_owner_is_told_of_a_resize(void **state)
{
    struct env *env = *state;
    struct diary diary = {0};
    struct xen_ram_spec spec = {
        .idstr = "v",
        .kind = XEN_RAM_VISIBLE,
        .flags = XEN_RAM_RESIZEABLE,
        .gfn = HOME,
        .size = 1,
        .max_length = 9 * PAGE,
        .resized = on_resized,
        .opaque = &diary,
    };
    struct xen_ram_block *block = must_alloc(env, &spec);

    assert_int_equal(xen_ram_resize(env->ram, block, 9 * PAGE), 0);
    assert_int_equal(xen_ram_resize(env->ram, block, 9 * PAGE), 0);
    assert_int_equal(xen_ram_resize(env->ram, block, 1), 0);
    assert_string_equal(diary.text, "grown v;shrunk v;");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RAM_TEST(notifiers_are_told_in_order),
        RAM_TEST(whoever_agreed_to_a_resize_hears_how_it_ended),
        RAM_TEST(the_owner_is_told_of_a_resize),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
