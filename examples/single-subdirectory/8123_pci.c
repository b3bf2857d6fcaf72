// SPDX-License-Identifier: GPL-2.0-or-later
/* The bus half of the imaginary 8123 device: a PCI driver for an identity that no device has. */
#include <linux/module.h>
#include <linux/pci.h>
#include "8123_if.h"

static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(0xffff, 0x8123) },
	{ }
};
MODULE_DEVICE_TABLE(pci, ids);

static int probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	dev_info(&dev->dev, "first port %#x\n", device_8123_port(0));
	return 0;
}

static struct pci_driver device_8123 = {
	.name = "8123",
	.id_table = ids,
	.probe = probe,
};
module_pci_driver(device_8123);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("An imaginary device");
