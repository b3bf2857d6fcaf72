// SPDX-License-Identifier: GPL-2.0-or-later
/* Stands for what a vendor ships as an object file only. */
int device_8123_firmware(int version);

int device_8123_firmware(int version)
{
	return version > 3;
}
