/* SPDX-License-Identifier: GPL-2.0-or-later */
#define FOO_KEYS 8

extern const int foo_table[FOO_KEYS];
int foo_lookup(int key);
