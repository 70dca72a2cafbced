/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option ROM that boots the kernel of the device model's command line.
 *
 * It is assembled into a read-only section of the program itself, so it may
 * hold no relocation: addresses are written as distances from the start.
 *
 * The BIOS finds a boot entry vector in the PnP header and calls it when it is
 * this entry's turn (BIOS Boot Specification 1.01; the device model's CMOS puts
 * boot ROMs first).  Taking INT 19h instead would not do: SeaBIOS takes it back
 * from the ROM of a PCI function that has a PnP header.
 */

#include "dm/rom/boot-rom.h"

#define AT(label) (label - boot_rom_image)

#define IVT_KEYBOARD (0x16 * 4)
#define DEBUG_PORT 0xe9     /* Xen's console for firmware */
#define SMAP 0x534d4150
#define E820_RAM 1
#define E820_SIZE 20
#define KEY_ENTER 0x1c0d

	.section .rodata
	.code16
	.balign	16
	.globl	boot_rom_image
	.type	boot_rom_image, @object
boot_rom_image:
	.byte	0x55, 0xaa, BOOT_ROM_BLOCKS
	jmp	init
	. = boot_rom_image + BOOT_ROM_SUM_OFFSET
	.byte	0
	. = boot_rom_image + BOOT_ROM_PCIR_OFFSET
	.word	AT(pcir), AT(pnp)

	/* PCI Firmware Specification 3.0, 5.1.2.2 */
	.balign	4
pcir:
	.ascii	"PCIR"
	.word	0, 0                    /* vendor, device */
	.word	0                       /* no vital product data */
	.word	pcir_end - pcir
	.byte	0                       /* revision of this structure */
	.byte	0, 0, 0                 /* class */
	.word	BOOT_ROM_BLOCKS
	.word	1                       /* revision of the code */
	.byte	0                       /* for x86 */
	.byte	0x80                    /* the last image */
	.word	0
pcir_end:

	/* Plug and Play BIOS Specification 1.0A, 3.2 */
	.balign	16
pnp:
	.ascii	"$PnP"
	.byte	1, (pnp_end - pnp) / 16
	.word	0                       /* the only header */
	.byte	0, 0                    /* reserved, sum */
	.long	0
	.word	0, AT(name)
	.byte	0, 0, 0                 /* type */
	.byte	0x64                    /* boots; may be copied, may be cached */
	.word	0, 0                    /* neither BCV nor disconnect vector */
	.word	AT(boot)
	.word	0, 0
pnp_end:

name:
	.asciz	"xenram kernel"
failure:
	.asciz	"xenram: no kernel, see the log of the device model\r\n"

/*
 * Called once while the BIOS looks for ROMs, which are still writable.
 *
 * SeaBIOS without fw_cfg waits 2.5 s for somebody who wants its boot menu.
 * With a kernel on the command line there is nothing to choose, so we answer
 * that wait with a key.
 */
init:
	pushl	%eax
	push	%cx
	push	%ds
	xor	%cx, %cx
	mov	%cx, %ds
	mov	IVT_KEYBOARD, %eax
	mov	%eax, %cs:AT(keyboard)
	movw	$AT(answer), IVT_KEYBOARD
	mov	%cs, IVT_KEYBOARD + 2
	mov	$4, %cl                 /* four bytes changed: mend the sum */
0:	sub	%al, %cs:BOOT_ROM_SUM_OFFSET
	shr	$8, %eax
	loop	0b
	pop	%ds
	pop	%cx
	popl	%eax
	mov	$0x20, %ax              /* a boot device is attached */
	lret

/*
 * INT 16h until the menu's wait is over.  SeaBIOS first asks until there is no
 * key left, then waits for one: the first question (AH 1) is answered with no,
 * the second with yes, and the key (AH 0) is Enter, which opens no menu.
 */
answer:
	cmp	$1, %ah
	je	1f
	test	%ah, %ah
	jnz	0f
	cmpb	$2, %cs:AT(asked)
	jae	2f
0:	ljmp	*%cs:AT(keyboard)
1:	incb	%cs:AT(asked)
	cmpb	$1, %cs:AT(asked)       /* the first time: ZF, no key */
	mov	$KEY_ENTER, %ax
	sti
	lret	$2
2:	call	release
	mov	$KEY_ENTER, %ax
	iret

/* Give INT 16h back if it is still ours. */
release:
	pushl	%eax
	push	%ds
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%cs, %ax
	cmp	%ax, IVT_KEYBOARD + 2
	jne	0f
	cmpw	$AT(answer), IVT_KEYBOARD
	jne	0f
	mov	%cs:AT(keyboard), %eax
	mov	%eax, IVT_KEYBOARD
0:	pop	%ds
	popl	%eax
	ret

/* Boot entry vector: only a failure returns. */
boot:
	pushal
	push	%ds
	push	%es
	cld
	call	release
	call	find_ram_end
	mov	%ecx, %eax
	mov	$BOOT_ROM_PORT + BOOT_ROM_RING, %dx
	outl	%eax, %dx
	mov	$BOOT_ROM_PORT + BOOT_ROM_STATUS, %dx
	inl	%dx, %eax
	cmp	$BOOT_ROM_READY, %eax
	je	enter
	call	complain
	pop	%es
	pop	%ds
	popal
	lret

/*
 * Registers as the 16-bit boot protocol has them (Linux,
 * Documentation/arch/x86/boot.rst, "Running the Kernel").
 */
enter:
	mov	$BOOT_ROM_PORT + BOOT_ROM_ENTRY, %dx
	inw	%dx, %ax
	mov	%ax, %bx
	mov	$BOOT_ROM_PORT + BOOT_ROM_STACK, %dx
	inw	%dx, %ax
	cli
	mov	%bx, %ds
	mov	%bx, %es
	mov	%bx, %fs
	mov	%bx, %gs
	mov	%bx, %ss
	movzwl	%ax, %esp
	add	$0x20, %bx
	push	%bx
	push	$0
	lret

/*
 * ECX: end of the highest usable RAM below 4 GiB, 0 if the BIOS has no map
 * (ACPI Specification, INT 15h E820h).
 */
find_ram_end:
	push	%bp
	sub	$E820_SIZE, %sp
	mov	%sp, %bp
	push	%ss
	pop	%es
	xor	%ebx, %ebx
	xor	%ecx, %ecx
	push	%ecx                    /* the highest end so far: -4(%bp) */
0:	mov	%bp, %di
	mov	$E820_SIZE, %ecx
	mov	$SMAP, %edx
	mov	$0xe820, %eax
	int	$0x15
	jc	2f
	cmp	$SMAP, %eax
	jne	2f
	cmpl	$E820_RAM, 16(%bp)
	jne	1f
	mov	(%bp), %eax
	mov	4(%bp), %edx
	add	8(%bp), %eax
	adc	12(%bp), %edx
	jnz	1f                      /* ends at 4 GiB or above */
	cmp	-4(%bp), %eax
	jbe	1f
	mov	%eax, -4(%bp)
1:	test	%ebx, %ebx
	jnz	0b
2:	pop	%ecx
	add	$E820_SIZE, %sp
	pop	%bp
	ret

complain:
	mov	$AT(failure), %si
0:	lodsb	%cs:(%si)
	test	%al, %al
	jz	1f
	outb	%al, $DEBUG_PORT
	mov	$0x0e, %ah
	mov	$7, %bx
	int	$0x10
	jmp	0b
1:	ret

	/* Written by init and answer, in the BIOS's copy of this ROM. */
	.balign	4
keyboard:
	.long	0
asked:
	.byte	0

	. = boot_rom_image + BOOT_ROM_SIZE
	.size	boot_rom_image, . - boot_rom_image

	.section .note.GNU-stack, "", @progbits
