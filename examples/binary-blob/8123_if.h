/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DEVICE_8123_IF_H
#define DEVICE_8123_IF_H

#define DEVICE_8123_PORTS 4

int device_8123_port(unsigned int nr);

#endif
