/* SPDX-License-Identifier: Apache-2.0 */

/* Preloaded into RocketMQ, whose proxy can only listen on every address: a bind to the wildcard becomes one to
 * 127.0.0.1, so that a server started for tests is not open to the network. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

typedef int bind_fn(int, const struct sockaddr *, socklen_t);

int bind(int fd, const struct sockaddr *addr, socklen_t len) {
    bind_fn *next = (bind_fn *)dlsym(RTLD_NEXT, "bind");
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (addr->sa_family == AF_INET && len >= sizeof v4) {
        memcpy(&v4, addr, sizeof v4);
        if (v4.sin_addr.s_addr == htonl(INADDR_ANY))
            v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return next(fd, (struct sockaddr *)&v4, sizeof v4);
    }
    if (addr->sa_family == AF_INET6 && len >= sizeof v6) {
        static const unsigned char mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
        memcpy(&v6, addr, sizeof v6);
        if (IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr))
            memcpy(&v6.sin6_addr, mapped, sizeof mapped);
        return next(fd, (struct sockaddr *)&v6, sizeof v6);
    }
    return next(fd, addr, len);
}
