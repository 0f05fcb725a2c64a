#include "track/context.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

char *itr_context_user(void)
{
	static const char *const names[] = { "LOGNAME", "USER", "LNAME", "USERNAME" };
	for (int i = 0; i < ITR_LEN(names); i++) {
		const char *v = getenv(names[i]);
		if (v && *v)
			return itr_xstrdup(v);
	}
	struct passwd p, *found = NULL;
	char room[4096];
	if (getpwuid_r(getuid(), &p, room, sizeof room, &found) == 0 && found)
		return itr_xstrdup(found->pw_name);
	return itr_xasprintf("%ld", (long)getuid());
}

char *itr_context_host(void)
{
	char name[256] = "";
	return itr_xstrdup(gethostname(name, sizeof name - 1) == 0 && name[0] ? name : "localhost");
}

/* --- git ------------------------------------------------------------------------------------------------------------------------------ */

/* First line of dir/name, without its end; NULL when it cannot be read. */
static char *first_line(const char *dir, const char *name)
{
	char *path = itr_path_join(dir, name), *text = itr_path_read(path, 1 << 16, NULL, NULL);
	free(path);
	if (text)
		text[strcspn(text, "\r\n")] = 0;
	return text;
}

static bool is_commit(const char *s)
{
	size_t n = s ? strlen(s) : 0;
	return (n == 40 || n == 64) && strspn(s, "0123456789abcdef") == n;
}

/* The commit of `ref` in packed-refs. */
static char *packed_ref(const char *common, const char *ref)
{
	char *path = itr_path_join(common, "packed-refs"), *found = NULL;
	FILE *f = fopen(path, "r");
	char line[4096];
	while (f && !found && fgets(line, sizeof line, f)) {
		char *space = strchr(line, ' ');
		line[strcspn(line, "\r\n")] = 0;
		if (space && line[0] != '#' && !strcmp(space + 1, ref)) {
			*space = 0;
			found = is_commit(line) ? itr_xstrdup(line) : NULL;
		}
	}
	if (f)
		fclose(f);
	free(path);
	return found;
}

/* The folder with HEAD: .git itself, or where the file .git points ("gitdir: ...", worktrees and submodules). NULL: none upwards of dir. */
static char *find_git(const char *dir)
{
	char *at = itr_path_absolute(dir);
	for (;;) {
		char *git = itr_path_join(at, ".git");
		if (itr_path_is_dir(git)) {
			free(at);
			return git;
		}
		char *link = itr_path_exists(git) ? first_line(at, ".git") : NULL, *target = NULL;
		if (link && !strncmp(link, "gitdir: ", 8))
			target = itr_path_join(at, link + 8);
		free(link);
		free(git);
		if (target || !strcmp(at, "/")) {
			free(at);
			return target;
		}
		char *up = itr_path_dirname(at);
		free(at);
		at = up;
	}
}

bool itr_context_git(const char *dir, char **commit, char **branch)
{
	*commit = *branch = NULL;
	char *git = find_git(dir), *head = git ? first_line(git, "HEAD") : NULL;
	if (head && !strncmp(head, "ref: ", 5) && itr_path_is_safe(head + 5)) {
		char *link = first_line(git, "commondir"), *common = link ? itr_path_join(git, link) : itr_xstrdup(git);
		*commit = first_line(common, head + 5);
		if (!is_commit(*commit)) {
			free(*commit);
			*commit = packed_ref(common, head + 5);
		}
		if (!strncmp(head + 5, "refs/heads/", 11))
			*branch = itr_xstrdup(head + 16);
		free(link);
		free(common);
	} else if (is_commit(head)) {
		*commit = itr_xstrdup(head);
	}
	free(git);
	free(head);
	if (*commit)
		return true;
	free(*branch);
	*branch = NULL;
	return false;
}

/* --- processes ------------------------------------------------------------------------------------------------------------------------ */

/* Field 22 of /proc/PID/stat, in ticks after boot; 0 when it is not there. */
static unsigned long long start_ticks(long pid)
{
	char *path = itr_xasprintf("/proc/%ld/stat", pid), line[1024];
	FILE *f = fopen(path, "r");
	unsigned long long ticks = 0;
	char *p = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;      /* the name in brackets may hold spaces */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		ticks = strtoull(p + 1, NULL, 10);
	if (f)
		fclose(f);
	free(path);
	return ticks;
}

char *itr_context_process(void)
{
	return itr_xasprintf("%ld %llu", (long)getpid(), start_ticks((long)getpid()));
}

bool itr_context_alive(const char *process)
{
	char *end;
	long pid = strtol(process, &end, 10);
	unsigned long long start = strtoull(end, NULL, 10);
	if (pid <= 0 || (kill((pid_t)pid, 0) < 0 && errno == ESRCH))
		return false;
	unsigned long long now = start_ticks(pid);
	return !start || !now || now == start;
}
