// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/pci.h>

int option_buses(void);

int option_buses(void)
{
	struct pci_bus *bus = NULL;
	int n = 0;

	while ((bus = pci_find_next_bus(bus)))
		n++;
	return n;
}
