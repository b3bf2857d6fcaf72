// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/init.h>
#include <linux/module.h>
#include "../bar/bar.h"

static int __init foo_init(void)
{
	return bar_offer(3) == 3 ? 0 : -EINVAL;
}

static void __exit foo_exit(void)
{
}

module_init(foo_init);
module_exit(foo_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Uses what bar offers");
