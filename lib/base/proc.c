#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static void child(const char *const *argv, const char *dir, int out_fd, int err_fd)
{
	int null = open("/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(err_fd, 2) < 0 || (dir && chdir(dir) < 0))
		_exit(127);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(2, "%s", strerror(errno));
	_exit(127);
}

/* Reads both pipes to their ends. Keeps the first max_out - 1 bytes of standard output and the last bytes of standard error. */
static void drain(int out_fd, int err_fd, char *out, size_t max_out, char *tail, size_t max_tail)
{
	struct pollfd p[2] = { { out_fd, POLLIN, 0 }, { err_fd, POLLIN, 0 } };
	size_t n_out = 0, n_tail = 0;
	char chunk[4096];
	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		for (int k = 0; k < 2; k++) {
			if (p[k].fd < 0 || !p[k].revents)
				continue;
			ssize_t got = read(p[k].fd, chunk, sizeof chunk);
			if (got <= 0) {
				p[k].fd = -1;
			} else if (k == 0 && out && max_out) {
				size_t take = ITR_MIN((size_t)got, max_out - 1 - n_out);
				memcpy(out + n_out, chunk, take);
				n_out += take;
			} else if (k == 1) {
				size_t take = ITR_MIN((size_t)got, max_tail - 1), keep = ITR_MIN(n_tail, max_tail - 1 - take);
				memmove(tail, tail + n_tail - keep, keep);
				memcpy(tail + keep, chunk + got - take, take);
				n_tail = keep + take;
			}
		}
	}
	if (out && max_out)
		out[n_out] = 0;
	while (n_tail && (tail[n_tail - 1] == '\n' || tail[n_tail - 1] == ' '))
		n_tail--;
	tail[n_tail] = 0;
}

int itr_proc_run(const char *const *argv, const char *dir, char *out, size_t max_out, itr_err *err)
{
	int o[2], e[2], status = 0;
	char tail[512];
	if (pipe2(o, O_CLOEXEC) < 0)
		return itr_err_errno(err, "cannot run '%s'", argv[0]);
	if (pipe2(e, O_CLOEXEC) < 0) {
		itr_err_errno(err, "cannot run '%s'", argv[0]);
		close(o[0]), close(o[1]);
		return -1;
	}
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		child(argv, dir, o[1], e[1]);
	close(o[1]), close(e[1]);
	if (pid > 0)
		drain(o[0], e[0], out, max_out, tail, sizeof tail);
	close(o[0]), close(e[0]);
	if (pid < 0)
		return itr_err_errno(err, "cannot run '%s'", argv[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return itr_err_set(err, "'%s' was ended by signal %d", argv[0], WTERMSIG(status));
	return itr_err_set(err, "'%s' failed (exit %d): %s", argv[0], WEXITSTATUS(status), tail);
}

bool itr_proc_exists(const char *program)
{
	const char *path = getenv("PATH");
	for (const char *p = path ? path : ""; *p;) {
		size_t n = strcspn(p, ":");
		char *full = itr_xasprintf("%.*s/%s", (int)n, p, program);
		bool ok = access(full, X_OK) == 0;
		free(full);
		if (ok)
			return true;
		p += n + (p[n] == ':');
	}
	return false;
}
