// SPDX-License-Identifier: GPL-2.0-or-later
#include "foo.h"

const int foo_table[FOO_KEYS] = { 1, 1, 2, 3, 5, 8, 13, 21 };
