#include "base/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

enum { MAX_OPEN = 256 };

struct itr_atomic_file {
	char *target, *temp;
	FILE *stream;
	int slot;
};

/* Names of open temporaries, for removal at exit and on signals: an array of fixed size, because a signal handler cannot lock a list. */
static char *volatile open_temps[MAX_OPEN];
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

static int slot_take(char *temp)
{
	int slot = -1;
	pthread_mutex_lock(&open_lock);
	for (int i = 0; i < MAX_OPEN && slot < 0; i++)
		if (!open_temps[i]) {
			open_temps[i] = temp;
			slot = i;
		}
	pthread_mutex_unlock(&open_lock);
	return slot;
}

void itr_atomic_cleanup_all(void)
{
	for (int i = 0; i < MAX_OPEN; i++)
		if (open_temps[i])
			unlink(open_temps[i]);
}

itr_atomic_file *itr_atomic_open(const char *target, itr_err *err)
{
	char *dir = itr_path_dirname(target);
	itr_atomic_file *a = NULL;
	struct stat st;
	if (stat(target, &st) == 0 && S_ISDIR(st.st_mode))
		itr_err_set(err, "cannot write '%s': it is a folder", target);
	else if (itr_path_mkdirs(dir, err) == 0) {
		char *temp = itr_xasprintf("%s/.%s.%ld.XXXXXX", dir, itr_path_basename(target), (long)getpid());
		int fd = mkstemp(temp);
		if (fd < 0) {
			itr_err_errno(err, "cannot write '%s'", target);
			free(temp);
		} else {
			mode_t mask = umask(0);
			umask(mask);
			fchmod(fd, 0666 & ~mask);
			close(fd);
			a = itr_xcalloc(1, sizeof *a);
			a->target = itr_xstrdup(target);
			a->temp = temp;
			a->slot = slot_take(temp);
		}
	}
	free(dir);
	return a;
}

FILE *itr_atomic_stream(itr_atomic_file *a)
{
	if (!a->stream)
		a->stream = fopen(a->temp, "wb");
	return a->stream;
}

const char *itr_atomic_path(const itr_atomic_file *a) { return a->temp; }

static void discard(itr_atomic_file *a)
{
	if (a->slot >= 0)
		open_temps[a->slot] = NULL;
	free(a->target);
	free(a->temp);
	free(a);
}

void itr_atomic_abort(itr_atomic_file *a)
{
	if (!a)
		return;
	int saved = errno;
	if (a->stream)
		fclose(a->stream);
	unlink(a->temp);
	discard(a);
	errno = saved;
}

static int sync_path(const char *path, int flags)
{
	int fd = open(path, flags);
	if (fd < 0)
		return -1;
	int rc = fsync(fd), saved = errno;
	close(fd);
	errno = saved;
	/* some network file systems cannot sync a folder: not an error, because the rename has happened */
	return rc < 0 && (flags & O_DIRECTORY) && (saved == EINVAL || saved == ENOTSUP) ? 0 : rc;
}

int itr_atomic_commit(itr_atomic_file *a, itr_err *err)
{
	int bad = 0;
	if (a->stream) {
		bad = ferror(a->stream);
		bad |= fclose(a->stream) != 0;          /* a full disk is often reported only here */
		a->stream = NULL;
	}
	if (!bad)
		bad = sync_path(a->temp, O_RDONLY) < 0 || rename(a->temp, a->target) < 0;
	if (bad) {
		itr_err_errno(err, "cannot write '%s'", a->target);
		itr_atomic_abort(a);
		return -1;
	}
	char *dir = itr_path_dirname(a->target);
	(void)sync_path(dir, O_RDONLY | O_DIRECTORY);
	free(dir);
	discard(a);
	return 0;
}

/* The id of the process that created temporary `file` for target `name` ("": any target); 0 when `file` is not such a temporary. */
static long maker_of(const char *file, const char *name)
{
	const char *last = strrchr(file, '.'), *before = last;
	if (file[0] != '.' || strlen(last) != 7)
		return 0;
	while (before > file && *--before != '.')
		;
	char *end;
	long pid = strtol(before + 1, &end, 10);
	bool fits = !name[0] || (before - file == (ptrdiff_t)strlen(name) + 1 && !strncmp(file + 1, name, strlen(name)));
	return before > file && end == last && fits ? pid : 0;
}

void itr_atomic_remove_stale(const char *folder, const char *name)
{
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));) {
		long pid = maker_of(e->d_name, name);
		if (pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH) {
			char *stale = itr_path_join(folder, e->d_name);
			unlink(stale);
			free(stale);
		}
	}
	if (d)
		closedir(d);
}

int itr_atomic_write(const char *target, const void *bytes, size_t n, itr_err *err)
{
	itr_atomic_file *a = itr_atomic_open(target, err);
	if (!a)
		return -1;
	FILE *f = itr_atomic_stream(a);
	if (!f || (n && fwrite(bytes, 1, n, f) != n)) {
		itr_err_errno(err, "cannot write '%s'", target);
		itr_atomic_abort(a);
		return -1;
	}
	return itr_atomic_commit(a, err);
}
