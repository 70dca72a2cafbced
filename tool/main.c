/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tool/tool.h"

int main(int argc, char **argv)
{
    return tool_main(argc, argv);
}
