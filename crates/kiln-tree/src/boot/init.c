/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first and only program of the boots that `kiln boot` makes. It reads /plan, one step a line,
 * carries the steps out and restarts the machine, which ends QEMU (-no-reboot).
 *
 * It stands without a C library, so that any compiler that can build a kernel module can build it.
 * All it says goes through /dev/kmsg: so it is in order with what the kernel says meanwhile. Each
 * step that may crash the kernel runs in a child, so that a dead child can be told of.
 */

typedef unsigned long ulong;

#if defined(__x86_64__)
enum {
	NR_read = 0, NR_write = 1, NR_close = 3, NR_nanosleep = 35, NR_clone = 56, NR_execve = 59,
	NR_exit = 60, NR_wait4 = 61, NR_mount = 165, NR_reboot = 169, NR_delete_module = 176,
	NR_openat = 257, NR_mkdirat = 258, NR_dup3 = 292, NR_finit_module = 313,
};
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tand $-16, %rsp\n\tcall begin\n\thlt\n");

static long sys(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__) || (defined(__riscv) && __riscv_xlen == 64)
enum {
	NR_dup3 = 24, NR_mkdirat = 34, NR_mount = 40, NR_openat = 56, NR_close = 57, NR_read = 63,
	NR_write = 64, NR_exit = 93, NR_nanosleep = 101, NR_delete_module = 106, NR_reboot = 142,
	NR_clone = 220, NR_execve = 221, NR_wait4 = 260, NR_finit_module = 273,
};
#if defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tbl begin\n");

static long sys(long nr, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}
#else
__asm__(".globl _start\n_start:\n\tcall begin\n");

static long sys(long nr, long a, long b, long c, long d, long e)
{
	register long a7 __asm__("a7") = nr;
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;

	__asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4) : "memory");
	return a0;
}
#endif
#else
#error "kiln boot has no init for this architecture"
#endif

#define AT_FDCWD (-100)
#define O_WRONLY 1
#define O_NONBLOCK 04000
#define SIGCHLD 17

static int kmsg = -1;

static ulong length(const char *text)
{
	ulong n = 0;

	while (text[n])
		n++;
	return n;
}

/* gcc may call these for loops and structures even in freestanding programs. */
void *memset(void *to, int byte, ulong n)
{
	char *at = to;

	while (n--)
		*at++ = byte;
	return to;
}

void *memcpy(void *to, const void *from, ulong n)
{
	char *at = to;
	const char *source = from;

	while (n--)
		*at++ = *source++;
	return to;
}

struct line {
	char text[900];
	ulong used;
};

static void add(struct line *line, const char *text)
{
	while (*text && line->used < sizeof(line->text) - 1)
		line->text[line->used++] = *text++;
}

static void add_number(struct line *line, long value)
{
	char digits[24];
	int at = sizeof(digits) - 1;
	ulong left = value < 0 ? -value : value;

	digits[at] = 0;
	do {
		digits[--at] = '0' + left % 10;
		left /= 10;
	} while (left);
	if (value < 0)
		digits[--at] = '-';
	add(line, digits + at);
}

static void put(struct line *line)
{
	add(line, "\n");
	sys(NR_write, kmsg, (long)line->text, line->used, 0, 0);
}

static void say(const char *what, const char *name, int with_result, long result)
{
	struct line line = { .used = 0 };

	add(&line, "<5>kiln-boot: ");
	add(&line, what);
	add(&line, " ");
	add(&line, name);
	if (with_result) {
		add(&line, " ");
		add_number(&line, result);
	}
	put(&line);
}

/* Gives a file's text to the log, a line at a time. */
static long show(const char *path)
{
	struct line line = { .used = 0 };
	char buffer[512];
	long got, i;
	long fd = sys(NR_openat, AT_FDCWD, (long)path, 0, 0, 0);

	if (fd < 0)
		return fd;
	while ((got = sys(NR_read, fd, (long)buffer, sizeof(buffer), 0, 0)) > 0) {
		for (i = 0; i < got; i++) {
			char one[2] = { buffer[i], 0 };

			if (line.used == 0)
				add(&line, "<5>kiln-out: ");
			if (buffer[i] == '\n' || line.used > sizeof(line.text) - 8) {
				put(&line);
				line.used = 0;
			} else {
				add(&line, one);
			}
		}
	}
	if (line.used)
		put(&line);
	sys(NR_close, fd, 0, 0, 0, 0);
	return got;
}

static long write_file(const char *path, const char *text)
{
	long result;
	long fd = sys(NR_openat, AT_FDCWD, (long)path, O_WRONLY, 0, 0);

	if (fd < 0)
		return fd;
	result = sys(NR_write, fd, (long)text, length(text), 0, 0);
	sys(NR_close, fd, 0, 0, 0, 0);
	return result < 0 ? result : 0;
}

static void pause_for(long milliseconds)
{
	long time[2] = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	sys(NR_nanosleep, (long)time, 0, 0, 0, 0);
}

static long load(const char *path, const char *parameters)
{
	long result;
	long fd = sys(NR_openat, AT_FDCWD, (long)path, 0, 0, 0);

	if (fd < 0)
		return fd;
	result = sys(NR_finit_module, fd, (long)parameters, 0, 0, 0);
	sys(NR_close, fd, 0, 0, 0, 0);
	return result;
}

static long shell(const char *script)
{
	const char *argv[] = { "sh", script, 0 };
	const char *envp[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/", "TERM=dumb", 0 };
	long fd = sys(NR_openat, AT_FDCWD, (long)"/dev/console", O_WRONLY, 0, 0);

	if (fd >= 0) {
		sys(NR_dup3, fd, 1, 0, 0, 0);
		sys(NR_dup3, fd, 2, 0, 0, 0);
	}
	return sys(NR_execve, (long)"/bin/sh", (long)argv, (long)envp, 0, 0);
}

static int equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Cuts the next word off. */
static char *word(char **rest)
{
	char *start = *rest;

	while (**rest && **rest != ' ')
		(*rest)++;
	if (**rest)
		*(*rest)++ = 0;
	return start;
}

static long number(const char *text)
{
	long value = 0;

	while (*text >= '0' && *text <= '9')
		value = value * 10 + *text++ - '0';
	return value;
}

static long step(const char *verb, char *first, char *rest)
{
	if (equal(verb, "load"))
		return load(first, rest);
	if (equal(verb, "unload"))
		return sys(NR_delete_module, (long)first, O_NONBLOCK, 0, 0, 0);
	if (equal(verb, "cat"))
		return show(first);
	if (equal(verb, "write"))
		return write_file(first, rest);
	if (equal(verb, "sleep"))
		return pause_for(number(first)), 0;
	if (equal(verb, "shell"))
		return shell(first);
	return -22;
}

/*
 * A line of the plan: LABEL VERB FIRST [REST]. The label comes back in what is said of the step. The
 * result is 0, a negative error number, 1000 + a shell's exit status, or 2000 + the signal that ended
 * the child (an oops kills whoever ran into it).
 */
static void one(char *line)
{
	char *rest = line;
	char *label = word(&rest);
	char *verb = word(&rest);
	char *first = word(&rest);
	int status = 0;
	long child, result;

	say("begin", label, 0, 0);
	child = sys(NR_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		result = step(verb, first, rest);
		/* Error numbers of modules can be larger than an exit status, so the child says them. */
		say("end", label, 1, result);
		sys(NR_exit, 0, 0, 0, 0, 0);
	}
	if (child < 0) {
		say("end", label, 1, child);
		return;
	}
	sys(NR_wait4, child, (long)&status, 0, 0, 0);
	if (status & 0x7f)
		say("end", label, 1, 2000 + (status & 0x7f));
	else if (equal(verb, "shell"))
		say("end", label, 1, 1000 + (status >> 8 & 0xff));
}

static char plan[65536];

__attribute__((used)) void begin(void)
{
	long fd, got, size = 0;
	char *at;

	sys(NR_mkdirat, AT_FDCWD, (long)"/proc", 0755, 0, 0);
	sys(NR_mkdirat, AT_FDCWD, (long)"/sys", 0755, 0, 0);
	sys(NR_mount, (long)"dev", (long)"/dev", (long)"devtmpfs", 0, 0);
	sys(NR_mount, (long)"proc", (long)"/proc", (long)"proc", 0, 0);
	sys(NR_mount, (long)"sys", (long)"/sys", (long)"sysfs", 0, 0);
	sys(NR_mount, (long)"debug", (long)"/sys/kernel/debug", (long)"debugfs", 0, 0);
	kmsg = sys(NR_openat, AT_FDCWD, (long)"/dev/kmsg", O_WRONLY, 0, 0);
	if (kmsg < 0)
		kmsg = sys(NR_openat, AT_FDCWD, (long)"/dev/console", O_WRONLY, 0, 0);
	say("started", "1", 0, 0);
	show("/proc/sys/kernel/osrelease");
	fd = sys(NR_openat, AT_FDCWD, (long)"/plan", 0, 0, 0);
	while (fd >= 0 && size < (long)sizeof(plan) - 1 &&
	       (got = sys(NR_read, fd, (long)plan + size, sizeof(plan) - 1 - size, 0, 0)) > 0)
		size += got;
	for (at = plan; *at;) {
		char *line = at;

		while (*at && *at != '\n')
			at++;
		if (*at)
			*at++ = 0;
		one(line);
	}
	say("tainted", "", 0, 0);
	show("/proc/sys/kernel/tainted");
	say("finished", "1", 0, 0);
	/* Restarting works without ACPI too, where powering off would halt for ever. */
	sys(NR_reboot, 0xfee1dead, 672274793, 0x01234567, 0, 0);
	for (;;)
		pause_for(1000);
}
