/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/pv/qdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/xen.h>

#include <xen/io/blkif.h>

#include "dm/pv/queue.h"
#include "dm/xenstore.h"
#include "tests/fakexen/fakexen.h"
#include "tests/unit/capture.h"
#include "tests/unit/pv-env.h"

static void check_state(unsigned devid, const char *expected)
{
    assert_string_equal(pv_back(devid, "state"), expected);
}

static void check_works(struct pv_side *side)
{
    static const struct pv_segment segment = {0, 0, 7};

    assert_int_equal(pv_do(&side->front, BLKIF_OP_READ, 0, &segment, 1), 0);
}

/* Is the image locked by somebody? */
static bool is_locked(struct pv_side *side, const char *name)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(pv_image(&side->env, name), O_RDWR | O_CLOEXEC);

    assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
    close(fd);
    return lock.l_type != F_UNLCK;
}

/* ---- coming and going ------------------------------------------------- */

static void a_new_disk_is_offered_as_it_is(void **state)
{
    static const struct {
        const char *key, *value;
    } keys[] = {
        {"sectors", "4096"},
        {"sector-size", "512"},
        {"info", "0"},
        {"feature-flush-cache", "1"},
        {"feature-persistent", "1"},
        {"feature-discard", "1"},
        {"discard-granularity", "4096"},
        {"max-ring-page-order", "2"},
        {"feature-max-indirect-segments", "64"},
    };
    struct pv_side *side = *state;

    pv_attach_image(&side->env, XVDA, "image", "w");
    pv_wait_back(&side->env, XVDA, 2);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_string_equal(pv_back(XVDA, keys[i].key), keys[i].value);
    assert_true(is_locked(side, "image"));
}

static void a_disk_that_was_there_before_us_is_offered(void **state)
{
    struct pv_env env;

    (void)state;
    pv_env_prepare(&env);
    pv_attach(XVDA, "aio:/nowhere", "w");
    pv_attach(XVDB, "qcow2:/nowhere", "w");
    pv_set_back(51744, "frontend", "too late");
    pv_open_qdisk(&env, false);
    check_state(XVDA, "1");
    qdisk_close(env.qdisk);
    fakexen_xs_rm(PV_BACK);
    pv_attach_image(&env, XVDA, "image", "w");
    pv_open_qdisk(&env, false);
    check_state(XVDA, "2");
    pv_env_close(&env);
}

static void a_guest_without_pv_disks_costs_nothing(void **state)
{
    struct pv_side *side = *state;

    pv_turns(&side->env);
    assert_int_equal(fakexen_handles(), 1); /* xenstore's */
}

static void disks_come_and_go(void **state)
{
    struct pv_side *side = *state;

    for (int i = 0; i < 3; i++) {
        pv_attach_image(&side->env, XVDA, "image", "w");
        pv_attach_image(&side->env, XVDB, "other", "w");
        pv_front_connect(&side->front);
        check_works(side);
        pv_detach(XVDA, false);
        pv_turns(&side->env);
        check_state(XVDA, "5"); /* the frontend has to agree */
        check_works(side);
        pv_set_front(XVDA, "state", "5");
        pv_turns(&side->env);
        check_state(XVDA, "5");
        pv_set_front(XVDA, "state", "6");
        pv_wait_back(&side->env, XVDA, 6);
        assert_false(is_locked(side, "image"));
        assert_true(is_locked(side, "other"));
        assert_null(disks_find(side->env.disks, "xvda"));
        pv_remove(XVDA);
        pv_detach(XVDB, false); /* it never connected */
        pv_wait_back(&side->env, XVDB, 6);
        pv_remove(XVDB);
        pv_turns(&side->env);
        assert_null(fakexen_xs_get(PV_BACK "/51712"));
        assert_null(fakexen_xs_get(PV_FRONT "/51712"));
        pv_front_drop(&side->front);
    }
}

static void a_forced_removal_does_not_ask_the_frontend(void **state)
{
    struct pv_side *side = *state;

    pv_attach_image(&side->env, XVDA, "image", "w");
    pv_front_connect(&side->front);
    pv_detach(XVDA, true);
    pv_wait_back(&side->env, XVDA, 6);
    assert_int_equal(fakexen_grants_mapped(), 0);
    assert_false(is_locked(side, "image"));
    pv_front_drop(&side->front);
}

/* All of it before we look. */
static void a_disk_may_be_replaced_by_another_of_its_name(void **state)
{
    struct pv_side *side = *state;

    pv_attach_image(&side->env, XVDA, "image", "w");
    pv_front_connect(&side->front);
    pv_detach(XVDA, true);
    pv_wait_back(&side->env, XVDA, 6);
    pv_front_drop(&side->front);
    pv_remove(XVDA);
    pv_attach_image(&side->env, XVDA, "other", "w");
    pv_front_connect(&side->front);
    check_works(side);
    assert_true(is_locked(side, "other"));
    assert_false(is_locked(side, "image"));
    pv_front_drop(&side->front);
}

/* ---- what the frontend does ------------------------------------------- */

static void a_frontend_connects_again(void **state)
{
    struct pv_side *side = *state;

    pv_attach_image(&side->env, XVDA, "image", "w");
    for (int i = 0; i < 3; i++) {
        pv_front_connect(&side->front);
        check_works(side);
        pv_set_front(XVDA, "state", "5");
        pv_wait_back(&side->env, XVDA, 5);
        pv_set_front(XVDA, "state", "6");
        pv_wait_back(&side->env, XVDA, 6);
        assert_int_equal(fakexen_grants_mapped(), 0);
        pv_front_drop(&side->front);
        pv_set_front(XVDA, "state", "1");
    }
    assert_true(is_locked(side, "image"));
}

static void a_frontend_that_starts_anew_is_offered_the_disk_again(void **state)
{
    struct pv_side *side = *state;

    pv_attach_image(&side->env, XVDA, "image", "w");
    pv_front_connect(&side->front);
    pv_set_front(XVDA, "state", "1");
    pv_wait_back(&side->env, XVDA, 2);
    assert_int_equal(fakexen_grants_mapped(), 0);
    pv_front_drop(&side->front);
    pv_front_connect(&side->front);
    check_works(side);
    pv_front_drop(&side->front);
}

static void a_frontend_that_lies_is_not_connected(void **state)
{
    static const struct {
        const char *key, *bad, *log;
    } cases[] = {
        {"protocol", "arm-abi", "no protocol of x86"},
        {"ring-page-order", "3", "ring-page-order 3 is above 2"},
        {"ring-page-order", "4294967295", "is above 2"},
        {"ring-page-order", "1", "cannot map"},
        {"ring-ref", "99999", "cannot map the frontend's ring"},
        {"ring-ref", "-1", "cannot map the frontend's ring"},
        {"ring-ref", "", "cannot map the frontend's ring"},
        {"event-channel", "4000", "cannot bind the frontend's event channel"},
        {"event-channel", "x", "cannot bind the frontend's event channel"},
    };
    struct pv_side *side = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char log[1024];

        pv_attach_image(&side->env, XVDA, "image", "w");
        pv_wait_back(&side->env, XVDA, 2);
        pv_front_publish(&side->front);
        pv_set_front(XVDA, cases[i].key, cases[i].bad);
        pv_set_front(XVDA, "state", "3");
        capture_begin();
        pv_turns(&side->env);
        capture_end(log, sizeof(log));
        assert_non_null(strstr(log, cases[i].log));
        check_state(XVDA, "2");
        assert_int_equal(fakexen_grants_mapped(), 0);
        pv_front_drop(&side->front);
        pv_remove(XVDA);
        pv_turns(&side->env);
    }
}

static void a_flood_of_states_ends_where_it_ends(void **state)
{
    static const char *const words[] = {"0", "1", "2",  "3",    "4",
                                        "5", "6", "99", "four", ""};
    struct pv_side *side = *state;

    pv_attach_image(&side->env, XVDA, "image", "w");
    pv_wait_back(&side->env, XVDA, 2);
    pv_front_publish(&side->front);
    srand(1);
    for (int i = 0; i < 2000; i++) {
        pv_set_front(XVDA, "state", words[rand() % 10]);
        if (rand() % 3 == 0)
            fakexen_xs_rm(PV_FRONT "/51712/state");
        if (rand() % 2)
            pv_turn(&side->env);
    }
    pv_front_drop(&side->front);
    pv_set_front(XVDA, "state", "6");
    pv_wait_back(&side->env, XVDA, 6);
    pv_set_front(XVDA, "state", "1");
    pv_front_connect(&side->front);
    check_works(side);
    pv_front_drop(&side->front);
}

/* ---- what cannot be served -------------------------------------------- */

static void what_cannot_be_served_is_said_and_can_be_removed(void **state)
{
    static const struct {
        const char *params, *type, *log;
    } cases[] = {
        {"qcow2:/tmp/x.qcow2", "disk", "is not a raw image"},
        {"/tmp/x.img", "disk", "is not a raw image"},
        {"", "disk", "is not a raw image"},
        {"aio:/nowhere/x.img", "disk", "/nowhere/x.img"},
        {"aio:", "disk", "xvda"},
        {"aio:/nowhere/x.iso", "cdrom", NULL},
        {"aio:", "cdrom", NULL},
    };
    struct pv_side *side = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char log[1024];

        pv_attach(XVDA, cases[i].params, "w");
        pv_set_back(XVDA, "device-type", cases[i].type);
        capture_begin();
        pv_turns(&side->env);
        capture_end(log, sizeof(log));
        if (cases[i].log)
            assert_non_null(strstr(log, cases[i].log));
        else
            assert_string_equal(log, "");
        check_state(XVDA, "1");
        pv_set_back(XVDA, "params", "aio:/elsewhere"); /* as xl cd-insert */
        pv_turns(&side->env);
        check_state(XVDA, "1");
        pv_detach(XVDA, false);
        pv_wait_back(&side->env, XVDA, 6);
        pv_remove(XVDA);
        pv_turns(&side->env);
    }
}

static void an_image_that_another_writes_is_not_served(void **state)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct pv_side *side = *state;
    int fd = open(pv_image(&side->env, "image"), O_RDWR | O_CLOEXEC);
    char log[1024];

    assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
    pv_attach_image(&side->env, XVDA, "image", "w");
    capture_begin();
    pv_turns(&side->env);
    capture_end(log, sizeof(log));
    assert_non_null(strstr(log, "xvda"));
    check_state(XVDA, "1");
    assert_null(disks_find(side->env.disks, "xvda"));
    close(fd);
}

static void restricted_device_models_say_what_is_missing(void **state)
{
    struct pv_side *side = *state;
    char log[1024];

    capture_begin();
    qdisk_warn_restricted(PV_DOMID, side->env.xenstore);
    capture_end(log, sizeof(log));
    assert_string_equal(log, "");
    pv_attach(XVDA, "aio:/x", "w");
    pv_attach(XVDB, "aio:/y", "w");
    capture_begin();
    qdisk_warn_restricted(PV_DOMID, side->env.xenstore);
    capture_end(log, sizeof(log));
    assert_non_null(
        strstr(log, "2 PV disks of backendtype=qdisk are not served"));
    assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
}

/* ---- a restored guest ------------------------------------------------- */

static void a_restored_guests_images_are_ours_at_its_start(void **state)
{
    struct pv_side *side = *state;
    struct pv_answer answer;

    pv_attach_image(&side->env, XVDA, "image", "w");
    pv_front_connect(&side->front);
    assert_false(is_locked(side, "image"));
    pv_put_io(&side->front, BLKIF_OP_READ, 1, 0, &(struct pv_segment){0, 0, 7},
              1, 0);
    pv_kick(&side->front);
    pv_turns(&side->env);
    assert_false(pv_answer(&side->front, &answer));
    assert_int_equal(disks_activate(side->env.disks), 0);
    qdisk_start(side->env.qdisk);
    assert_int_equal(pv_wait_answer(&side->front).status, 0);
    assert_true(is_locked(side, "image"));
    pv_front_drop(&side->front);
}

/* ---- failures --------------------------------------------------------- */

static void a_disk_in_use_stays_when_xenstore_has_trouble(void **state)
{
    struct pv_side *side = *state;
    char log[4096];

    pv_attach_image(&side->env, XVDA, "image", "w");
    pv_front_connect(&side->front);
    /* The read of a key, not the list of disks: that is the first call. */
    for (unsigned nth = 2; nth <= 4; nth++) {
        pv_set_back(XVDA, "anything", "1");
        capture_begin();
        fakexen_fail(FAKEXEN_XENSTORE, nth, 1, EIO);
        pv_turns(&side->env);
        capture_end(log, sizeof(log));
        assert_true(fakexen_failed(FAKEXEN_XENSTORE));
        assert_non_null(strstr(log, "PV disk xvda: cannot read"));
        check_state(XVDA, "4");
        check_works(side);
    }
    pv_front_drop(&side->front);
}

/* Whatever fails, nothing is lost, and a later disk works. */
static void any_call_to_xen_may_fail(void **state)
{
    struct pv_side *side = *state;
    bool hit = true;
    char log[4096];

    for (unsigned nth = 1; hit; nth++) {
        pv_attach_image(&side->env, XVDA, "image", "w");
        fakexen_fail(FAKEXEN_ANY, nth, 1, EIO);
        capture_begin();
        pv_turns(&side->env);
        pv_front_publish(&side->front);
        pv_set_front(XVDA, "state", "3");
        pv_turns(&side->env);
        pv_detach(XVDA, true);
        pv_turns(&side->env);
        capture_end(log, sizeof(log));
        hit = fakexen_failed(FAKEXEN_ANY);
        fakexen_fail(FAKEXEN_ANY, 1, 1, 0);
        pv_remove(XVDA);
        pv_turns(&side->env);
        pv_front_drop(&side->front);

        pv_attach_image(&side->env, XVDB, "other", "w");
        side->front.devid = XVDB;
        pv_front_connect(&side->front);
        check_works(side);
        pv_front_drop(&side->front);
        side->front.devid = XVDA;
        pv_side_teardown(state);
        pv_side_setup(state);
        side = *state;
    }
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, pv_side_setup, pv_side_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_disk_is_offered_as_it_is),
        cmocka_unit_test(a_disk_that_was_there_before_us_is_offered),
        TEST(a_guest_without_pv_disks_costs_nothing),
        TEST(disks_come_and_go),
        TEST(a_forced_removal_does_not_ask_the_frontend),
        TEST(a_disk_may_be_replaced_by_another_of_its_name),
        TEST(a_frontend_connects_again),
        TEST(a_frontend_that_starts_anew_is_offered_the_disk_again),
        TEST(a_frontend_that_lies_is_not_connected),
        TEST(a_flood_of_states_ends_where_it_ends),
        TEST(what_cannot_be_served_is_said_and_can_be_removed),
        TEST(an_image_that_another_writes_is_not_served),
        TEST(restricted_device_models_say_what_is_missing),
        cmocka_unit_test_setup_teardown(
            a_restored_guests_images_are_ours_at_its_start,
            pv_side_setup_incoming, pv_side_teardown),
        TEST(a_disk_in_use_stays_when_xenstore_has_trouble),
        TEST(any_call_to_xen_may_fail),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
