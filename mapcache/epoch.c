/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "mapcache/epoch.h"

#include <urcu-qsbr.h>

_Thread_local struct epoch_thread epoch_thread;

void epoch_online(void)
{
    if (epoch_thread.online)
        return;
    urcu_qsbr_register_thread();
    epoch_thread.online = true;
    epoch_thread.holds = false;
}

void epoch_offline(void)
{
    if (!epoch_thread.online)
        return;
    epoch_thread.online = false;
    epoch_thread.holds = false;
    urcu_qsbr_unregister_thread();
}

void epoch_quiescent(void)
{
    if (!epoch_thread.online)
        return;
    epoch_thread.holds = false;
    urcu_qsbr_quiescent_state();
}

void epoch_synchronize(void)
{
    epoch_thread.holds = false;
    urcu_qsbr_synchronize_rcu();
}
