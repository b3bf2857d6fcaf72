// SPDX-License-Identifier: GPL-2.0-or-later
/* The interface half of the imaginary 8123 device. */
#include <linux/errno.h>
#include <linux/kernel.h>
#include "8123_if.h"

static const int ports[DEVICE_8123_PORTS] = { 0x300, 0x308, 0x310, 0x318 };

int device_8123_port(unsigned int nr)
{
	return nr < ARRAY_SIZE(ports) ? ports[nr] : -EINVAL;
}
