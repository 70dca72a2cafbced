/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "tests/dm/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "dm/run.h"

#include "tests/fakexen/fakexen.h"

#include "xenram/mapcache.h"

static char *scratch_dir;
static char *names[64];
static unsigned nr_names;

/* ---- children --------------------------------------------------------- */

void check(bool condition, const char *text, const char *file, int line)
{
    if (condition)
        return;
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
    _exit(1);
}

void check_equal(int64_t a, int64_t b, const char *text, const char *file,
                 int line)
{
    if (a == b)
        return;
    fprintf(stderr, "%s:%d: %s: %#llx is not %#llx\n", file, line, text,
            (unsigned long long)a, (unsigned long long)b);
    _exit(1);
}

const char *scratch(const char *name)
{
    char *path = NULL;

    CHECK(asprintf(&path, "%s/%s", scratch_dir, name) > 0);
    for (unsigned i = 0; i < nr_names; i++)
        if (strcmp(names[i], path) == 0) {
            free(path);
            return names[i];
        }
    CHECK(nr_names < sizeof(names) / sizeof(names[0]));
    names[nr_names++] = path;
    return path;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void show_log(const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");

    while (file && fgets(line, sizeof(line), file))
        fprintf(stderr, "# %s", line);
    if (file)
        fclose(file);
}

static void run_child(void (*fn)(void), const char *log)
{
    int fd = open(log, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(1);
    alarm(120);
    fakexen_reset();
    fn();
    while (nr_names > 0)
        free(names[--nr_names]);
    exit(0);
}

void in_child(void (*fn)(void))
{
    const char *tmp = getenv("TMPDIR");
    char dir[256], log[300];
    int status;
    pid_t pid;

    /* Short: a socket's path has 107 bytes. */
    snprintf(dir, sizeof(dir), "%s/xenram-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(log, sizeof(log), "%s/log", dir);
    scratch_dir = dir;
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        run_child(fn, log);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        show_log(log);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(status, 0);
}

void pass_without_leak_check(void)
{
    _exit(0);
}

void *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "r");
    char *data = NULL;
    size_t size = 0, n;

    *len = 0;
    CHECK(file != NULL);
    do {
        size += 65536;
        data = realloc(data, size);
        CHECK(data != NULL);
        n = fread(data + *len, 1, size - *len - 1, file);
        *len += n;
    } while (n > 0);
    fclose(file);
    data[*len] = '\0';
    return data;
}

void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "w");

    CHECK(file != NULL);
    CHECK(fwrite(data, 1, len, file) == len);
    CHECK(fclose(file) == 0);
}

bool logged(const char *text)
{
    char log[300];
    char *data;
    size_t len;
    bool found;

    snprintf(log, sizeof(log), "%s/log", scratch_dir);
    data = read_file(log, &len);
    found = strstr(data, text) != NULL;
    free(data);
    return found;
}

static void put32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> i * 8);
}

/* Linux, Documentation/arch/x86/boot.rst, protocol 2.12. */
void write_kernel(const char *path, size_t len)
{
    uint8_t *image = calloc(1, len);

    CHECK(image != NULL && len > 1024);
    memset(image + 1024, 'K', len - 1024);
    image[0x1f1] = 1; /* setup_sects */
    put32(image + 0x1fe, 0xaa55);
    memcpy(image + 0x202, "HdrS", 4);
    put32(image + 0x206, 0x020c);
    image[0x211] = 1;                 /* loaded high */
    put32(image + 0x22c, 0x7fffffff); /* initrd_addr_max */
    put32(image + 0x230, 0x200000);   /* kernel_alignment */
    image[0x234] = 1;                 /* relocatable */
    put32(image + 0x238, 2047);       /* cmdline_size */
    put32(image + 0x258, 0x200000);   /* pref_address */
    put32(image + 0x260, 0x100000);   /* init_size */
    write_file(path, image, len);
    free(image);
}

/* ---- a device model --------------------------------------------------- */

void create_domain(uint32_t domid)
{
    fakexen_create(&(struct fakexen_domain){
        .domid = domid, .pages = GUEST_PAGES, .nr_vcpus = 2, .special = true});
}

void dm_add(struct dm *dm, const char *arg)
{
    CHECK(dm->argc < DM_MAX_ARGS - 1);
    dm->argv[dm->argc++] = strdup(arg);
}

static void add_socket(struct dm *dm, const char *id, const char *path)
{
    char text[512];

    snprintf(text, sizeof(text), "socket,id=%s,path=%s,server=on,wait=off", id,
             path);
    dm_add(dm, "-chardev");
    dm_add(dm, text);
    snprintf(text, sizeof(text), "chardev=%s,mode=control", id);
    dm_add(dm, "-mon");
    dm_add(dm, text);
}

static void add_all(struct dm *dm, const char *const *args)
{
    for (size_t i = 0; args && args[i]; i++)
        dm_add(dm, args[i]);
}

void dm_prepare(struct dm *dm, uint32_t domid, const char *const *extra)
{
    static const char *const front[] = {"-nodefaults", "-no-user-config",
                                        "-name",       "g1",
                                        "-vnc",        "none",
                                        "-display",    "none",
                                        "-serial",     "pty",
                                        "-boot",       "order=c",
                                        "-smp",        "2,maxcpus=2",
                                        "-net",        "none",
                                        NULL};
    char text[64];

    *dm = (struct dm){.domid = domid};
    snprintf(text, sizeof(text), "qmp-libxl-%u", domid);
    dm->qmp_path = strdup(scratch(text));
    snprintf(text, sizeof(text), "qmp-libxenstat-%u", domid);
    dm->xenstat_path = strdup(scratch(text));
    CHECK(asprintf(&dm->state_key, "/local/domain/0/device-model/%u/state",
                   domid) > 0);

    dm_add(dm, "xenram-dm");
    snprintf(text, sizeof(text), "%u", domid);
    dm_add(dm, "-xen-domid");
    dm_add(dm, text);
    dm_add(dm, "-no-shutdown");
    add_socket(dm, "libxl-cmd", dm->qmp_path);
    add_socket(dm, "libxenstat-cmd", dm->xenstat_path);
    add_all(dm, front);
    add_all(dm, extra);
    dm_add(dm, "-machine");
    dm_add(dm, "xenfv,suppress-vmdesc=on");
    dm_add(dm, "-m");
    snprintf(text, sizeof(text), "%u", GUEST_MIB);
    dm_add(dm, text);
}

static int listening_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK(fd > 2 && strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(listen(fd, 1) == 0);
    return fd;
}

void dm_use_qmp_fd(struct dm *dm, const char *path)
{
    char text[100];

    snprintf(text, sizeof(text), "socket,id=libxl-cmd,fd=%d,server=on,wait=off",
             listening_socket(path));
    for (int i = 0; i < dm->argc; i++)
        if (strncmp(dm->argv[i], "socket,id=libxl-cmd,", 20) == 0) {
            free(dm->argv[i]);
            dm->argv[i] = strdup(text);
        }
}

static void *run_dm(void *opaque)
{
    struct dm *dm = opaque;

    dm->status = dm_main(dm->argc, dm->argv);
    return NULL;
}

void dm_launch(struct dm *dm)
{
    dm->argv[dm->argc] = NULL;
    dm->joined = false;
    CHECK(pthread_create(&dm->thread, NULL, run_dm, dm) == 0);
}

bool dm_comes_up(struct dm *dm)
{
    while (fakexen_xs_wait(dm->state_key, "running", 2) != 0) {
        if (pthread_tryjoin_np(dm->thread, NULL) == 0) {
            dm->joined = true;
            return false;
        }
    }
    return true;
}

void dm_start(struct dm *dm, uint32_t domid, const char *const *extra)
{
    if (!fakexen_exists(domid))
        create_domain(domid);
    dm_prepare(dm, domid, extra);
    dm_launch(dm);
    CHECK(dm_comes_up(dm));
}

static void forget(struct dm *dm)
{
    for (int i = 0; i < dm->argc; i++)
        free(dm->argv[i]);
    free(dm->qmp_path);
    free(dm->xenstat_path);
    free(dm->state_key);
}

int dm_join(struct dm *dm)
{
    if (!dm->joined)
        CHECK(pthread_join(dm->thread, NULL) == 0);
    forget(dm);
    return dm->status;
}

void check_nothing_left(void)
{
    CHECK_EQUAL(fakexen_violations(), 0);
    CHECK_EQUAL(fakexen_handles(), 0);
    CHECK_EQUAL(fakexen_resources(), 0);
    CHECK_EQUAL(fakexen_buffers(), 0);
    CHECK_EQUAL(fakexen_mappings(), 0);
}

void dm_end(struct dm *dm)
{
    CHECK(kill(getpid(), SIGHUP) == 0);
    CHECK_EQUAL(dm_join(dm), 0);
    check_nothing_left();
}
