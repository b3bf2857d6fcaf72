// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/init.h>
#include <linux/module.h>

int option_buses(void);

static int __init option_init(void)
{
	if (IS_ENABLED(CONFIG_PCI))
		pr_info("option: %d buses\n", option_buses());
	return 0;
}

static void __exit option_exit(void)
{
}

module_init(option_init);
module_exit(option_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Depends on the kernel's configuration");
