// SPDX-License-Identifier: GPL-2.0-or-later
#include "hardwareif.h"

unsigned int hardwareif_revision(void)
{
	return 7;
}
