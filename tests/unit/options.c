/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "dm/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/capture.h"
#include "tests/unit/options-line.h"

#define QMP_14                                                                 \
    "-chardev socket,id=libxl-cmd,path=/run/xen/qmp-libxl-7,server,nowait "    \
    "-mon chardev=libxl-cmd,mode=control "                                     \
    "-chardev socket,id=libxenstat-cmd,path=/run/xen/qmp-libxenstat-7,"        \
    "server,nowait -mon chardev=libxenstat-cmd,mode=control "
#define QMP_17                                                                 \
    "-chardev socket,id=libxl-cmd,path=/run/xen/qmp-libxl-7,server=on,"        \
    "wait=off -mon chardev=libxl-cmd,mode=control "                            \
    "-chardev socket,id=libxenstat-cmd,path=/run/xen/qmp-libxenstat-7,"        \
    "server=on,wait=off -mon chardev=libxenstat-cmd,mode=control "
#define QMP_FD                                                                 \
    "-chardev socket,id=libxl-cmd,fd=19,server=on,wait=off -S "                \
    "-mon chardev=libxl-cmd,mode=control "                                     \
    "-chardev socket,id=libxenstat-cmd,path=/run/xen/qmp-libxenstat-7,"        \
    "server=on,wait=off -mon chardev=libxenstat-cmd,mode=control "
#define RUNNABLE " -xen-domid 7 -machine xenfv -m 64"

static int parse(struct line *line, const char *words)
{
    return line_parse(line, "", words);
}

static void a_default_guest_of_xen_4_14_is_accepted(void **state)
{
    struct line line;
    const struct options *options = &line.options;

    (void)state;
    assert_int_equal(
        parse(&line,
              "-xen-domid 7 -no-shutdown " QMP_14
              "-nodefaults -no-user-config -name g1 -vnc 127.0.0.1:0,to=99 "
              "-display none -device cirrus-vga,vgamem_mb=8 -boot order=cda "
              "-smp 2,maxcpus=4 "
              "-device rtl8139,id=nic0,netdev=net0,mac=00:16:3e:0a:0b:0C "
              "-netdev type=tap,id=net0,ifname=vif7.0-emu,script=no,"
              "downscript=no -machine xenfv -m 1016 "
              "-drive file=/none/such.img,if=ide,index=0,media=disk,"
              "format=raw,cache=writeback "
              "-drive if=ide,index=2,readonly=on,media=cdrom,id=ide-5632"),
        0);
    assert_int_equal(options->action, OPTIONS_RUN);
    assert_int_equal(options->domid, 7);
    assert_string_equal(options->name, "g1");
    assert_int_equal(options->nr_qmp, 2);
    assert_string_equal(options->qmp[0].id, "libxl-cmd");
    assert_string_equal(options->qmp[0].path, "/run/xen/qmp-libxl-7");
    assert_string_equal(options->qmp[1].path, "/run/xen/qmp-libxenstat-7");
    assert_string_equal(options->boot_order, "cda");
    assert_int_equal(options->max_vcpus, 4);
    assert_int_equal(options->ram_mb, 1016);
    assert_true(options->platform_device);
    assert_true(options->acpi);
    assert_true(options->vmdesc);
    assert_false(options->paused);
    assert_int_equal(options->incoming_fd, -1);
    assert_int_equal(options->nr_nics, 1);
    assert_string_equal(options->nics[0].model, "rtl8139");
    assert_string_equal(options->nics[0].id, "nic0");
    assert_string_equal(options->nics[0].ifname, "vif7.0-emu");
    assert_memory_equal(options->nics[0].mac, "\x00\x16\x3e\x0a\x0b\x0c", 6);
    assert_string_equal(options->drives[0].file, "/none/such.img");
    assert_string_equal(options->drives[2].id, "ide-5632");
    /* vnc, display, NIC */
    assert_int_equal(lines_of(line.log), 3);
    assert_null(strstr(line.log, "error"));
}

static void a_plain_guest_of_xen_4_17_is_accepted_without_a_word(void **state)
{
    struct line line;
    const struct options *options = &line.options;

    (void)state;
    assert_int_equal(
        parse(&line,
              "-xen-domid 7 -no-shutdown " QMP_17
              "-nodefaults -no-user-config -name g~1 -vnc none -display none "
              "-k de -kernel /boot/vmlinuz,old -initrd /boot/initrd "
              "-append root=/dev/xvda~console=hvc0,115200 "
              "-serial pty -serial file:/tmp/a,b -boot order=c -smp 2 "
              "-net none -machine pc,accel=xen,suppress-vmdesc=on,"
              "max-ram-below-4g=3221225472 -m 1024 "
              "-xenram-policy strict -xenram-debug -no-acpi -nographic "
              "-xenram-file a/b=/dir/f,,1,private -xenram-file c=/g=h "
              "-xenram-block rom,size=4096,max=65536"),
        0);
    assert_string_equal(options->name, "g 1");
    assert_string_equal(options->kernel, "/boot/vmlinuz,old");
    assert_string_equal(options->initrd, "/boot/initrd");
    assert_string_equal(options->append, "root=/dev/xvda console=hvc0,115200");
    assert_string_equal(options->serials[0], "pty");
    assert_string_equal(options->serials[1], "file:/tmp/a,b");
    assert_int_equal(options->max_vcpus, 2);
    assert_false(options->platform_device);
    assert_false(options->vmdesc);
    assert_false(options->acpi);
    assert_true(options->strict);
    assert_int_equal(options->nr_files, 2);
    assert_string_equal(options->files[0].block, "a/b");
    assert_string_equal(options->files[0].path, "/dir/f,1");
    assert_true(options->files[0].copy);
    assert_string_equal(options->files[1].path, "/g=h");
    assert_false(options->files[1].copy);
    assert_int_equal(options->nr_blocks, 1);
    assert_string_equal(options->blocks[0].name, "rom");
    assert_int_equal(options->blocks[0].size, 4096);
    assert_int_equal(options->blocks[0].max, 65536);
    assert_true(options->debug);
    assert_int_equal(options->max_ram_below_4g, 3221225472u);
    assert_string_equal(line.log, "");
}

static void the_probe_of_xen_4_20_is_recognised(void **state)
{
    struct line line;

    (void)state;
    assert_int_equal(parse(&line,
                           "-S -no-user-config -nodefaults -nographic "
                           "-machine none,accel=xen -chardev "
                           "socket,id=libxl-cmd,fd=23,server=on,wait=off "
                           "-mon chardev=libxl-cmd,mode=control"),
                     0);
    assert_int_equal(line.options.action, OPTIONS_PROBE);
    assert_int_equal(line.options.nr_qmp, 1);
    assert_int_equal(line.options.qmp[0].fd, 23);
    assert_null(line.options.qmp[0].path);
    assert_string_equal(line.log, "");
}

static void a_restricted_restore_of_xen_4_20_is_accepted(void **state)
{
    static const char *const rights[] = {
        "-chroot /run/xen/qemu-root-7 -runas 65543:65536",
        "-run-with chroot=/run/xen/qemu-root-7 -run-with user=65543:65536",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        struct line line;
        char words[2048];

        snprintf(words, sizeof(words),
                 "-xen-domid 7 -no-shutdown " QMP_FD
                 "-nodefaults -no-user-config -name g1 -vnc none -display none "
                 "-serial pty -boot order=c -net none -xen-domid-restrict "
                 "-incoming fd:21 -machine xenfv,suppress-vmdesc=on -m 1024 %s",
                 rights[i]);
        assert_int_equal(parse(&line, words), 0);
        assert_true(line.options.restrict_domid);
        assert_true(line.options.paused);
        assert_int_equal(line.options.incoming_fd, 21);
        assert_int_equal(line.options.qmp[0].fd, 19);
        assert_string_equal(line.options.chroot, "/run/xen/qemu-root-7");
        assert_string_equal(line.options.runas, "65543:65536");
        assert_string_equal(line.log, "");
    }
}

static void what_cannot_be_served_is_refused_with_its_key(void **state)
{
    static const struct {
        const char *words, *option, *key;
    } refused[] = {
        {"-chardev pty,id=libxl-channel0", "-chardev", "channel"},
        {"-chardev socket,id=libxl-channel1,path=/p,server=on,wait=off",
         "-chardev", "channel"},
        {"-xen-attach", "-xen-attach", "device_model_override"},
        {"-display sdl", "-display", "sdl"},
        {"-sdl", "-sdl", "sdl"},
        {"-device lsi53c895a", "-device", "disk"},
        {"-spice port=5900", "-spice", "spice"},
        {"-device virtio-serial", "-device", "spicevdagent"},
        {"-chardev spicevmc,id=vdagent,name=vdagent", "-chardev", "spice"},
        {"-usb -usbdevice tablet", "-usbdevice", "usbdevice"},
        {"-device piix3-usb-uhci,id=usb", "-device", "usbversion"},
        {"-device ich9-usb-ehci1,id=usb,addr=0x1d.0x7", "-device",
         "usbversion"},
        {"-device nec-usb-xhci,id=usb", "-device", "usbversion"},
        {"-soundhw ac97", "-soundhw", "soundhw"},
        {"-device intel-hda", "-device", "soundhw"},
        {"-chardev socket,id=m0,host=1.2.3.4,port=9,server=on,wait=off",
         "-chardev", "vif"},
        {"-object filter-mirror,id=m1", "-object", "vif"},
        {"-machine xenfv,igd-passthru=on", "-machine", "gfx_passthru"},
        {"-machine xenpv", "-machine", "device_model_override"},
        {"-machine q35,accel=xen", "-machine", "device_model_args_hvm"},
        {"-machine pc,accel=xen,max-ram-below-4g=4294967296", "-machine",
         "mmio_hole"},
        {"-machine pc,nonsense=1", "-machine", "device_model_args_hvm"},
        {"-device ahci,id=ahci0", "-device", "hdtype"},
        {"-device xen-pvdevice,device-id=0xc000", "-device", "vendor_device"},
        {"-device xen-pci-passthrough", "-device", "pci"},
        {"-device toaster", "-device", "device_model_args"},
        {"-frobnicate", "-frobnicate", "device_model_args"},
        {"-net nic", "-net", "vif"},
        {"-netdev user,id=net0", "-netdev", "vif"},
        {"-netdev tap,id=net0,ifname=0123456789abcdef", "-netdev", "vif"},
        {"-netdev tap,id=net0,ifname=../x", "-netdev", "vif"},
        {"-netdev tap,id=n,ifname=a -netdev tap,id=n,ifname=b", "-netdev",
         "vif"},
        {"-device e1000,netdev=net0,mac=00:16:3e:00:00", "-device", "vif"},
        {"-device e1000,netdev=net0", "-device", "vif"},
        {"-serial pty -serial pty -serial pty", "-serial", "serial"},
        {"-boot order=cx", "-boot", "boot"},
        {"-boot order=cc", "-boot", "boot"},
        {"-smp 0", "-smp", "maxvcpus"},
        {"-smp 129", "-smp", "maxvcpus"},
        {"-smp 5,maxcpus=4", "-smp", "vcpus"},
        {"-smp 2x", "-smp", "maxvcpus"},
        {"-m 0", "-m", "memory"},
        {"-m -1", "-m", "memory"},
        {"-m 99999999999999999999", "-m", "memory"},
        {"-initrd /i", "-initrd", "ramdisk"},
        {"-append x", "-append", "cmdline"},
        {"-monitor stdio", "-monitor", "device_model_args"},
        {"-qmp unix:/x", "-qmp", "device_model_args"},
        {"-mon chardev=x,mode=readline", "-mon", "device_model_args"},
        {"stray", "stray", "device_model_args"},
        {"-xenram-policy maybe", "-xenram-policy", "device_model_args_hvm"},
        {"-xenram-file a", "NAME=PATH", "device_model_args_hvm"},
        {"-xenram-file a,b=c", "NAME=PATH", "device_model_args_hvm"},
        {"-xenram-file a=", "path is empty", "device_model_args_hvm"},
        {"-xenram-file =/f", "1 to 127 bytes", "device_model_args_hvm"},
        {"-xenram-file a=/f,shared", "private", "device_model_args_hvm"},
        {"-xenram-file a=/f,private=off", "private", "device_model_args_hvm"},
        {"-xenram-file a=/f,private,x", "private", "device_model_args_hvm"},
        {"-xenram-file a=/f -xenram-file a=/g", "a has file /f already",
         "device_model_args_hvm"},
        {"-xenram-block a", "size= or max=", "device_model_args_hvm"},
        {"-xenram-block a,size=0", "size=0", "device_model_args_hvm"},
        {"-xenram-block a,size=8388609", "8388608", "device_model_args_hvm"},
        {"-xenram-block a,size=2,max=1", "above max", "device_model_args_hvm"},
        {"-xenram-block a,length=1", "length=", "device_model_args_hvm"},
        {"-xenram-block size=1", "1 to 127 bytes", "device_model_args_hvm"},
        {"-xenram-block a,size=1 -xenram-block a,size=1", "a is there twice",
         "device_model_args_hvm"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct line line;
        char words[512];
        const char *error;

        snprintf(words, sizeof(words), "%s" RUNNABLE, refused[i].words);
        if (parse(&line, words) != -EINVAL)
            fail_msg("accepted: %s", refused[i].words);
        error = strstr(line.log, "error: ");
        if (!error || !strstr(error, refused[i].option) ||
            !strstr(error, refused[i].key) || lines_of(error) != 1 ||
            !strstr(error, "(xl.cfg: "))
            fail_msg("%s: %s", refused[i].words, line.log);
    }
}

static void malformed_arguments_are_refused(void **state)
{
    static const struct {
        const char *words, *text;
    } refused[] = {
        {"", "-xen-domid is missing"},
        {"-xen-domid", "argument is missing"},
        {"-xen-domid 0", "from 1 to 32751"},
        {"-xen-domid 32752", "from 1 to 32751"},
        {"-xen-domid +7", "from 1 to 32751"},
        {"-xen-domid 0x7", "from 1 to 32751"},
        {"-xen-domid 7 -machine xenfv", "-m is missing"},
        {"-incoming tcp:0:44", "fd:N"},
        {"-incoming fd:1", "fd:N"},
        {"-incoming fd:99999999999", "fd:N"},
        {"-incoming fd:", "fd:N"},
        {"-chardev socket,path=/p,server=on,wait=off", "id="},
        {"-chardev socket,id=a,server=on,wait=off", "path= and fd="},
        {"-chardev socket,id=a,path=/p,fd=9,server=on,wait=off",
         "path= and fd="},
        {"-chardev socket,id=a,fd=2,server=on,wait=off", "fd=2"},
        {"-chardev socket,id=a,path=/p", "server=on"},
        {"-chardev socket,id=a,path=/p,server=on,wait=on", "wait=off"},
        {"-chardev socket,id=a,path=/p,server=maybe", "on or off"},
        {"-chardev socket,id=a,path=/p,server,nowait,x=1", "x="},
        {"-chardev socket,id=a,path=/p,server,nowait", "no -mon uses it"},
        {"-mon chardev=a,mode=control", "no -chardev has this id"},
        {"-machine none", "needs -chardev and -mon"},
        {"-machine pc,accel=kvm", "only xen"},
        {"-machine xenfv,suppress-vmdesc=maybe", "on or off"},
        {"-run-with async-teardown=on", "async-teardown="},
        {"-", "an option was expected"},
        {"--", "not an option"},
        {"-chardev ,", "was expected"},
        {"-device ,id=x", "a model was expected"},
        {"-smp ,,,,,,", "maxvcpus"},
        {"-machine a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a",
         "pieces"},
    };

    (void)state;
    unsetenv("XEN_DOMAIN_ID");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct line line;

        if (parse(&line, refused[i].words) != -EINVAL)
            fail_msg("accepted: %s", refused[i].words);
        if (!strstr(line.log, refused[i].text) || lines_of(line.log) != 1)
            fail_msg("%s: %s", refused[i].words, line.log);
    }
}

static void a_comma_in_a_path_is_written_twice(void **state)
{
    struct line line;

    (void)state;
    assert_int_equal(
        parse(&line, "-chardev socket,id=a,,b,path=/run/x,,,server=on,wait=off "
                     "-mon a,,b,mode=control" RUNNABLE),
        0);
    assert_string_equal(line.options.qmp[0].id, "a,b");
    assert_string_equal(line.options.qmp[0].path, "/run/x,");
}

static void of_a_scalar_the_last_one_counts(void **state)
{
    struct line line;

    (void)state;
    assert_int_equal(parse(&line, "-m 1 -m 2 -boot c -boot order=dn,menu=on "
                                  "-machine pc,accel=xen -machine xenfv "
                                  "--smp 3 -smp 5 -xen-domid 3 -xen-domid 4"),
                     0);
    assert_int_equal(line.options.ram_mb, 2);
    assert_string_equal(line.options.boot_order, "dn");
    assert_true(line.options.platform_device);
    assert_int_equal(line.options.max_vcpus, 5);
    assert_int_equal(line.options.domid, 4);
}

static void the_environment_names_the_domain_when_argv_does_not(void **state)
{
    struct line line;

    (void)state;
    setenv("XEN_DOMAIN_ID", "12", 1);
    assert_int_equal(parse(&line, "-machine xenfv -m 64"), 0);
    assert_int_equal(line.options.domid, 12);
    assert_int_equal(parse(&line, RUNNABLE), 0);
    assert_int_equal(line.options.domid, 7);
    setenv("XEN_DOMAIN_ID", "12 ", 1);
    assert_int_equal(parse(&line, "-machine xenfv -m 64"), -EINVAL);
    unsetenv("XEN_DOMAIN_ID");
}

static void displays_of_all_kinds_start_without_one(void **state)
{
    static const char *const kinds[] = {
        "-device VGA,vgamem_mb=16",
        "-device cirrus-vga,vgamem_mb=8",
        "-device qxl-vga,vram_size_mb=64,ram_size_mb=64",
        "-vnc 0.0.0.0:1,password=on,to=99",
        "-usb",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct line line;
        char words[256];

        snprintf(words, sizeof(words), "%s" RUNNABLE, kinds[i]);
        assert_int_equal(parse(&line, words), 0);
        assert_int_equal(lines_of(line.log), 1);
        assert_non_null(strstr(line.log, "warn: "));
    }
}

static void more_of_a_kind_than_there_is_room_for_is_refused(void **state)
{
    struct line line;
    char words[4096] = "-machine xenfv";

    (void)state;
    for (unsigned i = 0; i <= OPTIONS_MAX_NICS; i++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words),
                 " -netdev tap,id=n%u,ifname=t%u", i, i);
    assert_int_equal(parse(&line, words), -EINVAL);
    assert_non_null(strstr(line.log, "more than 32 NICs"));

    strcpy(words, "-machine xenfv");
    for (unsigned i = 0; i <= OPTIONS_MAX_QMP; i++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words),
                 " -mon m%u,mode=control", i);
    assert_int_equal(parse(&line, words), -EINVAL);
    assert_non_null(strstr(line.log, "more than 4"));
}

static void a_socket_path_that_is_too_long_is_refused(void **state)
{
    struct line line;
    char words[256];

    (void)state;
    snprintf(words, sizeof(words),
             "-chardev socket,id=a,path=/%0107d,server=on,wait=off", 0);
    assert_int_equal(parse(&line, words), -EINVAL);
    assert_non_null(strstr(line.log, "path has 108 bytes"));
}

static void help_and_version_end_the_parsing(void **state)
{
    struct line line;

    (void)state;
    assert_int_equal(parse(&line, "-version -nonsense"), 0);
    assert_int_equal(line.options.action, OPTIONS_VERSION);
    assert_string_equal(line.log, "xenram-dm " PACKAGE_VERSION "\n");
    assert_int_equal(parse(&line, "--help"), 0);
    assert_int_equal(line.options.action, OPTIONS_HELP);
    assert_non_null(strstr(line.log, "-xenram-policy adapt|strict"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_default_guest_of_xen_4_14_is_accepted),
        cmocka_unit_test(a_plain_guest_of_xen_4_17_is_accepted_without_a_word),
        cmocka_unit_test(the_probe_of_xen_4_20_is_recognised),
        cmocka_unit_test(a_restricted_restore_of_xen_4_20_is_accepted),
        cmocka_unit_test(what_cannot_be_served_is_refused_with_its_key),
        cmocka_unit_test(malformed_arguments_are_refused),
        cmocka_unit_test(a_comma_in_a_path_is_written_twice),
        cmocka_unit_test(of_a_scalar_the_last_one_counts),
        cmocka_unit_test(the_environment_names_the_domain_when_argv_does_not),
        cmocka_unit_test(displays_of_all_kinds_start_without_one),
        cmocka_unit_test(more_of_a_kind_than_there_is_room_for_is_refused),
        cmocka_unit_test(a_socket_path_that_is_too_long_is_refused),
        cmocka_unit_test(help_and_version_end_the_parsing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
