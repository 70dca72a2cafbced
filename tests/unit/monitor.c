/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dm/pci.h"
#include "dm/qmp.h"

#include "tests/unit/fake-machine.h"

static int setup(void **state)
{
    (void)state;
    fake_machine_reset();
    return 0;
}

static void assert_lines(const char *text)
{
    size_t len = strlen(text);

    for (const char *c = text; *c; c++) {
        if (*c == '\n')
            assert_true(c > text && c[-1] == '\r');
    }
    assert_true(len == 0 || text[len - 1] == '\n');
}

static void says(const char *line, const char *part)
{
    char *text = monitor_run(&fake.machine, line);

    assert_non_null(text);
    assert_lines(text);
    if (!strstr(text, part))
        fail_msg("%s: %s", line, text);
    free(text);
}

static void help_lists_every_command(void **state)
{
    static const char *const names[] = {
        "help",         "info ram",    "info mapcache", "info pci",
        "info version", "info status", "info chardev"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        says("help", names[i]);
        says("?", names[i]);
        says("info", names[i]);
    }
}

static void each_info_shows_the_machine(void **state)
{
    static struct pci_function function;

    (void)state;
    memset(&function, 0, sizeof(function));
    function.name = "xen-platform";
    function.present = true;
    function.devfn = PCI_DEVFN(3, 0);
    memcpy(function.config, "\x53\x58\x01\x00", 4);
    function.bars[0] =
        (struct pci_bar){.kind = PCI_BAR_IO, .size = 256, .mapped = 0xc000};
    function.bars[1] = (struct pci_bar){
        .kind = PCI_BAR_MEM, .size = 4096, .mapped = PCI_UNMAPPED};
    fake.machine.pci[function.devfn] = &function;

    says("info ram", "xen.ram");
    says("info ram", "xen.ram                  guest    0x0          0       "
                     "     0x100000     0x100000     0x100000    \r\n");
    says("info ram", "visible  0xf2000000   0x100000     0x1388       0x2000 "
                     "      0x10000      resizeable rom\r\n");
    says("info ram", "private  -            0x110000     0x1000       0x1000 "
                     "      0x1000       dontdump\r\n");
    says("info ram", "0x1000       copy /var/lib/nvram\r\n");
    says("info mapcache", "misses: 17\r\n");
    says("info mapcache", "window-bytes: 1099511627776\r\n");
    says("info pci", "00:03.0 5853:0001 xen-platform\r\n");
    says("info pci", "BAR0: I/O, 0x100 bytes, at 0xc000\r\n");
    says("info pci", "BAR1: memory, 0x1000 bytes, off\r\n");
    says("info version", "xenram " PACKAGE_VERSION);
    says("info status", "VM status: paused (prelaunch)\r\n");
    fake.machine.status = MACHINE_RUNNING;
    says("info status", "VM status: running\r\n");
    says("info chardev", "serial0: filename=pty:/dev/pts/9\r\n");
    says("  info \t status  ", "VM status: running\r\n");
}

static void what_is_unknown_is_said_so(void **state)
{
    (void)state;
    says("frobnicate now", "unknown command: 'frobnicate'\r\n");
    says("info frob", "unknown command: 'info frob'\r\n");
    says("", "");
    says(" \r\n", "");
}

static void a_probe_run_has_no_guest_to_show(void **state)
{
    char *text = monitor_run(NULL, "info ram");

    (void)state;
    assert_string_equal(text, "there is no guest in a probe run\r\n");
    free(text);
    text = monitor_run(NULL, "help");
    assert_non_null(strstr(text, "info ram"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(help_lists_every_command, setup),
        cmocka_unit_test_setup(each_info_shows_the_machine, setup),
        cmocka_unit_test_setup(what_is_unknown_is_said_so, setup),
        cmocka_unit_test_setup(a_probe_run_has_no_guest_to_show, setup),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
