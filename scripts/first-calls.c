/*
 * Notes which functions of a program are called, in the order of their first call.
 *
 *   first-calls ADDRESSES OUT PROGRAM [ARGUMENT...]
 *
 * ADDRESSES names a file with one address in a line, of a program at a fixed place. A
 * breakpoint stands at each until it is met; then its address is written to OUT. What the program starts
 * is let go. For scripts/hot-functions.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

struct point {
	unsigned long address;
	unsigned char was;
	char met;
};

static struct point *points;
static size_t count;

static int by_address(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static int memory_of(pid_t task)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", task);
	return open(path, O_RDWR);
}

static void read_addresses(const char *name)
{
	FILE *f = fopen(name, "r");
	unsigned long address;
	size_t room = 0, kept = 0;

	if (!f) {
		perror(name);
		exit(2);
	}
	while (fscanf(f, "%lu", &address) == 1) {
		if (count == room) {
			room = room ? room * 2 : 4096;
			points = realloc(points, room * sizeof(*points));
			if (!points)
				exit(2);
		}
		points[count++] = (struct point){ .address = address };
	}
	fclose(f);
	qsort(points, count, sizeof(*points), by_address);
	for (size_t i = 0; i < count; i++)
		if (!i || points[i].address != points[kept - 1].address)
			points[kept++] = points[i];
	count = kept;
}

/* Whether the task stands at one of the points; it is taken away, and the task stands before it. */
static int meet(pid_t task, FILE *out)
{
	struct user_regs_struct regs;
	struct point wanted, *point;
	int memory;

	if (ptrace(PTRACE_GETREGS, task, 0, &regs))
		return 0;
	wanted.address = regs.rip - 1;
	point = bsearch(&wanted, points, count, sizeof(*points), by_address);
	if (!point)
		return 0;
	if (!point->met)
		fprintf(out, "%lu\n", point->address);
	point->met = 1;
	memory = memory_of(task);
	if (pwrite(memory, &point->was, 1, point->address) != 1)
		perror("pwrite");
	close(memory);
	regs.rip = point->address;
	ptrace(PTRACE_SETREGS, task, 0, &regs);
	return 1;
}

int main(int argc, char **argv)
{
	const unsigned char breakpoint = 0xcc;
	int status, memory, code = 2;
	pid_t first, task;
	FILE *out;

	if (argc < 4) {
		fprintf(stderr, "usage: first-calls ADDRESSES OUT PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	read_addresses(argv[1]);
	out = fopen(argv[2], "w");
	if (!out) {
		perror(argv[2]);
		return 2;
	}
	first = fork();
	if (first == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execvp(argv[3], argv + 3);
		perror(argv[3]);
		_exit(127);
	}
	waitpid(first, &status, 0);
	ptrace(PTRACE_SETOPTIONS, first, 0,
	       PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEFORK |
		       PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
	memory = memory_of(first);
	for (size_t i = 0; i < count; i++)
		if (pread(memory, &points[i].was, 1, points[i].address) != 1 ||
		    pwrite(memory, &breakpoint, 1, points[i].address) != 1)
			fprintf(stderr, "first-calls: nothing lies at %lx\n", points[i].address);
	close(memory);
	ptrace(PTRACE_CONT, first, 0, 0);
	while ((task = waitpid(-1, &status, __WALL)) > 0) {
		int signal, event;

		if (!WIFSTOPPED(status)) {
			if (task == first)
				code = WIFEXITED(status) ? WEXITSTATUS(status) : 2;
			continue;
		}
		signal = WSTOPSIG(status);
		event = status >> 16;
		if (event == PTRACE_EVENT_EXEC && task != first) {
			ptrace(PTRACE_DETACH, task, 0, 0);
			continue;
		}
		/* A new task begins with a stop of its own. */
		if (event || signal == SIGSTOP || (signal == SIGTRAP && meet(task, out)))
			signal = 0;
		ptrace(PTRACE_CONT, task, 0, signal);
	}
	return fclose(out) ? 2 : code;
}
