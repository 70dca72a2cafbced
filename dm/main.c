/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "dm/run.h"

int main(int argc, char **argv)
{
    return dm_main(argc, argv);
}
