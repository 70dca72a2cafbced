/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "dm/block/disks.h"
#include "dm/chardev.h"
#include "dm/dimm.h"
#include "dm/headroom.h"
#include "dm/ioreq.h"
#include "dm/log.h"
#include "dm/machine.h"
#include "dm/bus.h"
#include "dm/options.h"
#include "dm/privilege.h"
#include "dm/pv/qdisk.h"
#include "dm/qmp.h"
#include "dm/tap.h"
#include "dm/xen.h"
#include "dm/xenstore.h"

#include "xenram/mapcache.h"
#include "xenram/ram.h"

/* SIGHUP is how libxl ends a device model. */
static const int end_signals[] = {SIGHUP, SIGTERM, SIGINT};
/* How long written pages wait for others before Xen is told, ms. */
#define REPORT_MS 1
#define REPORT_AGAIN_MS 100 /* after a failure */

#define NR_END_SIGNALS (sizeof(end_signals) / sizeof(end_signals[0]))

struct run {
    struct options options;
    struct machine machine;
    uv_loop_t loop;
    uv_signal_t signals[NR_END_SIGNALS];
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t report; /* active: too early for the next report */
    struct xenstore *xenstore;
    struct tap *taps[OPTIONS_MAX_NICS];
    struct qmp *qmp;
    bool report_failed;
};

static void ended(uv_signal_t *handle, int signum)
{
    (void)signum;
    uv_stop(handle->loop);
}

static void watch_signals(struct run *run)
{
    /* Sockets and limits tell by errno (RLIMIT_FSIZE of dm_restrict). */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < NR_END_SIGNALS; i++) {
        uv_signal_init(&run->loop, &run->signals[i]);
        uv_signal_start(&run->signals[i], ended, end_signals[i]);
    }
}

/* It only wakes the loop. */
static void report_time(uv_timer_t *timer)
{
    (void)timer;
}

/* `stop` does not wait for its turn: machine_stop reports by itself. */
static void report_written(struct run *run)
{
    int ret;

    if (uv_is_active((uv_handle_t *)&run->report) ||
        !xen_ram_dirty_waits(run->machine.ram))
        return;
    ret = xen_ram_report_dirty(run->machine.ram);
    if (ret && !run->report_failed)
        log_warn("cannot report written pages to Xen: %s", strerror(-ret));
    run->report_failed = ret != 0;
    uv_update_time(&run->loop);
    uv_timer_start(&run->report, report_time, ret ? REPORT_AGAIN_MS : REPORT_MS,
                   0);
}

/* The loop is about to sleep: nothing looked up is in use any more. */
static void before_sleep(uv_prepare_t *prepare)
{
    struct run *run = prepare->data;

    report_written(run);
    xen_mapcache_thread_offline();
}

static void after_sleep(uv_check_t *check)
{
    (void)check;
    xen_mapcache_thread_online();
}

static void watch_turns(struct run *run)
{
    uv_prepare_init(&run->loop, &run->prepare);
    run->prepare.data = run;
    uv_prepare_start(&run->prepare, before_sleep);
    uv_check_init(&run->loop, &run->check);
    uv_check_start(&run->check, after_sleep);
    uv_timer_init(&run->loop, &run->report);
}

static int open_xen(struct run *run)
{
    struct machine *machine = &run->machine;
    uint32_t domid = run->options.domid;
    int ret = xen_open(domid, &machine->xen);

    if (ret) {
        log_error("cannot reach Xen: %s (is this dom0, as root?)",
                  strerror(-ret));
        return ret;
    }
    ret = xen_mapcache_open(domid, NULL, &machine->cache);
    if (ret) {
        log_error("cannot open the map cache: %s", strerror(-ret));
        return ret;
    }
    ret = xen_ram_open(domid, machine->cache, &machine->ram);
    if (ret) {
        log_error("cannot open guest memory: %s", strerror(-ret));
        return ret;
    }
    ret = xen_nr_vcpus(machine->xen);
    if (ret < 0) {
        log_error("domain %u: cannot ask for its vCPUs: %s", domid,
                  strerror(-ret));
        return ret;
    }
    machine->nr_vcpus = (unsigned)ret;
    ret = xen_ioreq_create(machine->xen);
    if (ret) {
        log_error("cannot create an ioreq server: %s", strerror(-ret));
        return ret;
    }
    return bus_new(machine->xen, &machine->bus);
}

static int open_serials(struct run *run)
{
    static const char *const labels[OPTIONS_MAX_SERIALS] = {"serial0",
                                                            "serial1"};

    for (unsigned i = 0; i < OPTIONS_MAX_SERIALS; i++) {
        const char *spec = run->options.serials[i];
        int ret = spec ? chardev_open(&run->loop, labels[i], spec,
                                      &run->machine.serials[i])
                       : 0;

        if (ret)
            return ret;
    }
    return 0;
}

static int open_taps(struct run *run)
{
    for (unsigned i = 0; i < run->options.nr_nics; i++) {
        const char *ifname = run->options.nics[i].ifname;
        int ret = ifname ? tap_open(&run->loop, ifname, &run->taps[i]) : 0;

        if (ret)
            return ret;
    }
    return 0;
}

static int open_pv_disks(struct run *run)
{
    const struct options *options = &run->options;
    struct qdisk_spec spec = {
        .domid = options->domid,
        .loop = &run->loop,
        .xenstore = run->xenstore,
        .disks = run->machine.disks,
    };

    if (options->restrict_domid) {
        qdisk_warn_restricted(options->domid, run->xenstore);
        return 0;
    }
    spec.incoming = options->incoming_fd >= 0;
    return qdisk_open(&spec, &run->machine.qdisk);
}

/* The disks of an incoming guest are another's until cont. */
static int open_disks(struct run *run)
{
    struct disks **disks = &run->machine.disks;
    int ret = disks_open(&run->loop, &run->options, disks);

    if (ret == 0)
        ret = open_pv_disks(run);
    if (ret == 0 && run->options.incoming_fd < 0)
        ret = disks_activate(*disks);
    return ret;
}

static int load(struct run *run)
{
    char error[XEN_MIGRATE_ERROR_MAX];
    int ret = machine_load(&run->machine, run->options.incoming_fd, error);

    if (ret)
        log_error("cannot restore: %s", error);
    close(run->options.incoming_fd);
    return ret;
}

/* varstored's order: everything is opened before anything of the guest counts.
 */
static int start(struct run *run)
{
    struct machine *machine = &run->machine;
    bool incoming = run->options.incoming_fd >= 0;
    int ret = privilege_check(&run->options);

    if (ret == 0)
        ret = open_xen(run);
    if (ret == 0)
        ret = xenstore_open(&run->xenstore);
    if (ret == 0)
        ret = open_serials(run);
    if (ret == 0)
        ret = open_taps(run);
    if (ret == 0)
        ret = open_disks(run);
    if (ret == 0)
        ret = qmp_open(&run->loop, &run->options, machine, &run->qmp);
    if (ret)
        return ret;

    machine->memory_changed = qmp_memory_changed;
    machine->memory_opaque = run->qmp;
    machine->loading = incoming;
    (void)xen_ram_set_phase(machine->ram,
                            incoming ? XEN_RAM_LOADING : XEN_RAM_RESET);
    ret = machine_init(machine);
    if (ret)
        return ret;
    if (!incoming) {
        dimms_announce(machine, run->xenstore);
        headroom_open(&run->loop, run->xenstore, &run->options,
                      &machine->headroom);
    }
    ret = privilege_drop(&run->options, machine->xen);
    if (ret)
        return ret;

    if (incoming)
        ret = load(run);
    else
        machine_reset(machine);
    if (ret == 0)
        ret = ioreq_start(machine, &machine->ioreq);
    return ret;
}

static int serve(struct run *run)
{
    watch_turns(run);
    qmp_start(run->qmp);
    if (!run->options.restrict_domid) {
        int ret;

        qdisk_watch(run->machine.qdisk);
        ret = xenstore_report_running(run->xenstore, run->options.domid);

        if (ret)
            return ret;
    }
    log_info("ready: domain %u, %u vCPUs, %llu MiB of RAM", run->options.domid,
             run->machine.nr_vcpus, (unsigned long long)run->options.ram_mb);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    return 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void finish(struct run *run)
{
    struct machine *machine = &run->machine;

    machine->memory_changed = NULL;
    headroom_close(machine->headroom);
    qmp_close(run->qmp);
    ioreq_stop(machine->ioreq);
    machine_fini(machine);
    qdisk_close(machine->qdisk);
    disks_close(machine->disks);
    for (unsigned i = 0; i < OPTIONS_MAX_NICS; i++)
        tap_close(run->taps[i]);
    for (unsigned i = 0; i < OPTIONS_MAX_SERIALS; i++)
        chardev_close(machine->serials[i]);
    uv_walk(&run->loop, close_handle, NULL);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    uv_loop_close(&run->loop);

    xenstore_close(run->xenstore);
    bus_free(machine->bus);
    xen_ram_close(machine->ram);
    xen_mapcache_close(machine->cache);
    xen_mapcache_thread_offline();
    xen_close(machine->xen);
}

/* libxl only wants to know which options there are. */
static int probe(struct run *run)
{
    int ret = qmp_open(&run->loop, &run->options, NULL, &run->qmp);

    if (ret)
        return ret;
    qmp_start(run->qmp);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    return 0;
}

static int run_program(struct run *run)
{
    int ret = uv_loop_init(&run->loop);

    if (ret) {
        log_error("no event loop: %s", uv_strerror(ret));
        return ret;
    }
    run->machine.options = &run->options;
    run->machine.loop = &run->loop;
    watch_signals(run);
    if (run->options.action == OPTIONS_PROBE) {
        ret = probe(run);
    } else {
        ret = start(run);
        if (ret == 0)
            ret = serve(run);
    }
    finish(run);
    return ret;
}

int dm_main(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));
    int ret;

    if (!run) {
        log_error("out of memory at start");
        return EXIT_FAILURE;
    }
    ret = options_parse(argc, argv, &run->options);
    if (ret == 0 && run->options.action != OPTIONS_HELP &&
        run->options.action != OPTIONS_VERSION) {
        log_set_name(run->options.name);
        log_set_debug(run->options.debug);
        ret = run_program(run);
    }
    free(run);
    return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
