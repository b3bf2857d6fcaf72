// SPDX-License-Identifier: GPL-2.0-or-later
/* A module whose sources and headers lie in several directories. */
#include <linux/init.h>
#include <linux/module.h>
#include "complex.h"
#include "hardwareif.h"

static int __init complex_init(void)
{
	pr_info(COMPLEX_NAME ": revision %u\n", hardwareif_revision());
	return 0;
}

static void __exit complex_exit(void)
{
}

module_init(complex_init);
module_exit(complex_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Lies in several directories");
