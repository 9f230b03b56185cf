#include "tests/unit/api/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/mem.h"

int peer_listen(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

uint16_t peer_dead_port(void)
{
    uint16_t port;
    int fd = peer_listen(&port);

    close(fd);
    return port;
}

void peer_read(struct fixture *fixture, int fd, struct buf *request)
{
    uint64_t deadline = uv_hrtime() + UINT64_C(10000000000);
    size_t want = SIZE_MAX;

    buf_clear(request);
    while (request->len < want) {
        char data[4096];
        ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
        const char *end, *length;

        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        if (n > 0) {
            buf_append(request, data, (size_t)n);
        }
        end = strstr(buf_str(request), "\r\n\r\n");
        if (end != NULL) {
            length = strstr(buf_str(request), "Content-Length: ");
            want = (size_t)(end - request->data) + 4 + (length != NULL ? strtoul(length + 16, NULL, 10) : 0);
        }
        fixture_run_once(fixture);
        assert_true(uv_hrtime() < deadline);
    }
}

int peer_accept(struct fixture *fixture, int listener, struct buf *request)
{
    uint64_t deadline = uv_hrtime() + UINT64_C(10000000000);
    int fd;

    while ((fd = accept(listener, NULL, NULL)) < 0) {
        fixture_run_once(fixture);
        assert_true(uv_hrtime() < deadline);
    }
    peer_read(fixture, fd, request);
    return fd;
}

/* ---- certificates ---- */

static EVP_PKEY *new_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    assert_non_null(key);
    return key;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *new_cert(EVP_PKEY *key, const char *name, const X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *cert = X509_new();

    assert_non_null(cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), issuer != NULL ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer != NULL ? issuer : cert));
    add_extension(cert, issuer != NULL ? NID_subject_alt_name : NID_basic_constraints,
                  issuer != NULL ? "IP:127.0.0.1" : "critical,CA:TRUE");
    assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    return cert;
}

static void write_pem(const char *dir, const char *name, X509 *cert, EVP_PKEY *key)
{
    CLEANUP(free_ptr) char *path = mem_printf("%s/%s", dir, name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(
        cert != NULL ? PEM_write_X509(file, cert) : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

char *peer_certificates(void)
{
    char *dir = mem_strdup("/tmp/hecate-api-XXXXXX");
    EVP_PKEY *ca_key = new_key();
    EVP_PKEY *key = new_key();
    X509 *ca = new_cert(ca_key, "test authority", NULL, ca_key);
    X509 *cert = new_cert(key, "member", ca, ca_key);

    assert_non_null(mkdtemp(dir));
    write_pem(dir, "ca.crt", ca, NULL);
    write_pem(dir, "api.crt", cert, NULL);
    write_pem(dir, "api.key", NULL, key);
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    return dir;
}

void peer_certificates_remove(char *dir)
{
    static const char *const names[] = {"ca.crt", "api.crt", "api.key"};

    for (size_t i = 0; i < 3; i++) {
        CLEANUP(free_ptr) char *path = mem_printf("%s/%s", dir, names[i]);

        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
    free(dir);
}
