// SPDX-License-Identifier: GPL-2.0-or-later
/* The module bar: asks foo. */
#include <linux/init.h>
#include <linux/module.h>
#include "foo.h"

static int __init bar_init(void)
{
	pr_info("bar: %d\n", foo_lookup(5));
	return 0;
}

static void __exit bar_exit(void)
{
}

module_init(bar_init);
module_exit(bar_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Uses a table");
