/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

#include "dm/keyval.h"
#include "dm/log.h"
#include "dm/options.h"
#include "dm/xen.h"

#define MAX_ID (UINT32_MAX - 1) /* -1 means "no change" to setuid */

struct user {
    uid_t uid;
    gid_t gid;
};

/* UID:GID, as libxl makes them per domain, need no account. */
static int read_pair(const char *text, struct user *user)
{
    char uid[16];
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    uint64_t numbers[2];

    if (!colon || len >= sizeof(uid))
        return -EINVAL;
    memcpy(uid, text, len);
    uid[len] = '\0';
    if (keyval_number(uid, MAX_ID, &numbers[0]) ||
        keyval_number(colon + 1, MAX_ID, &numbers[1]))
        return -EINVAL;
    *user = (struct user){(uid_t)numbers[0], (gid_t)numbers[1]};
    return 0;
}

static int find_user(const char *text, struct user *user)
{
    const struct passwd *account = getpwnam(text);

    if (account) {
        *user = (struct user){account->pw_uid, account->pw_gid};
    } else if (read_pair(text, user)) {
        log_error("-runas %s: neither an account nor UID:GID (xl.cfg: "
                  "device_model_user)",
                  text);
        return -EINVAL;
    }
    if (user->uid == 0) {
        log_error("-runas %s: this is root, which gives up nothing (xl.cfg: "
                  "device_model_user)",
                  text);
        return -EINVAL;
    }
    return 0;
}

int privilege_check(const struct options *options)
{
    struct user user;

    return options->runas ? find_user(options->runas, &user) : 0;
}

static int enter_root(const char *path)
{
    if (chroot(path) || chdir("/")) {
        int ret = -errno;

        log_error("-chroot %s: %s", path, strerror(-ret));
        return ret;
    }
    return 0;
}

static int become(const char *name, const struct user *user)
{
    int ret;

    if (geteuid() == user->uid && getegid() == user->gid && getuid() != 0)
        return 0;
    errno = 0;
    ret = capng_change_id((int)user->uid, (int)user->gid,
                          CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING |
                              CAPNG_CLEAR_AMBIENT);
    if (ret) {
        int error = errno ? errno : EPERM;

        log_error("-runas %s: cannot become user %u, group %u: %s (step %d)",
                  name, user->uid, user->gid, strerror(error), -ret);
        return -error;
    }
    return 0;
}

int privilege_drop(const struct options *options, struct xen *xen)
{
    struct user user;
    int ret;

    /* RLIMIT_FSIZE of dm_restrict: a write that is too long shall fail. */
    signal(SIGXFSZ, SIG_IGN);

    /* Accounts and /proc are out of sight after chroot. */
    ret = options->runas ? find_user(options->runas, &user) : 0;
    if (ret)
        return ret;
    capng_clear(CAPNG_SELECT_ALL);

    /* Xen's libraries put /dev/null in place of handles: before chroot. */
    if (options->restrict_domid) {
        ret = xen_restrict(xen);
        if (ret) {
            log_error("-xen-domid-restrict: %s (needs Linux 4.11 or later; "
                      "xl.cfg: dm_restrict)",
                      strerror(-ret));
            return ret;
        }
    }
    if (options->chroot) {
        ret = enter_root(options->chroot);
        if (ret)
            return ret;
    }
    if (options->runas) {
        ret = become(options->runas, &user);
        if (ret)
            return ret;
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return 0;
}
