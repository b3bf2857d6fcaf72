/* SPDX-License-Identifier: GPL-2.0-or-later */
unsigned int hardwareif_revision(void);
