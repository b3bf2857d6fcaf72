// SPDX-License-Identifier: GPL-2.0-or-later
/* The module foo: offers foo_lookup() to others. */
#include <linux/module.h>
#include "foo.h"

int foo_lookup(int key)
{
	return key >= 0 && key < FOO_KEYS ? foo_table[key] : -1;
}
EXPORT_SYMBOL_GPL(foo_lookup);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Offers a table");
