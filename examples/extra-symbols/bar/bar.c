// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>
#include "bar.h"

int bar_offer(int value)
{
	return value;
}
EXPORT_SYMBOL(bar_offer);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Offers a function");
