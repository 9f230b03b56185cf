/* Lets user-mode Linux run on processors with AMX.
 *
 * User-mode Linux saves and restores the floating point state of its processes by ptrace with a buffer of fixed size.
 * Where the processor's state is larger (AMX tiles), the host kernel cuts it when reading and refuses the short buffer
 * when writing (EFAULT): the first process of the node dies. Preloaded, this completes a short write with what the
 * process has in the rest: PTRACE_GETREGSET, overlay, PTRACE_SETREGSET. Where the sizes agree it changes nothing.
 */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define STATE_MAX 65536

static long set_extended_state(pid_t pid, void *addr, const struct iovec *part)
{
    static __thread char state[STATE_MAX];
    struct iovec whole = {state, sizeof(state)};

    if (part->iov_len > sizeof(state) || syscall(SYS_ptrace, PTRACE_GETREGSET, pid, addr, &whole) != 0) {
        return -1;
    }
    memcpy(state, part->iov_base, part->iov_len);
    if (whole.iov_len < part->iov_len) {
        whole.iov_len = part->iov_len;
    }
    return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, addr, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list args;
    pid_t pid;
    void *addr, *data;
    long word, rc;

    va_start(args, request);
    pid = va_arg(args, pid_t);
    addr = va_arg(args, void *);
    data = va_arg(args, void *);
    va_end(args);
    if (request == PTRACE_SETREGSET && (unsigned long)addr == NT_X86_XSTATE) {
        return set_extended_state(pid, addr, data);
    }
    if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
        /* The system call stores the word; the C library's function returns it. */
        rc = syscall(SYS_ptrace, request, pid, addr, &word);
        if (rc != 0) {
            return rc;
        }
        errno = 0;
        return word;
    }
    return syscall(SYS_ptrace, request, pid, addr, data);
}
