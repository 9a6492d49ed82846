/*
 * Purpose: a connection's bytes, in the clear or under TLS, for the load source and the sink.
 * Contract: a channel is a non-blocking descriptor and, once tls_begin() was called on it, a TLS session above it.
 *   channel_read() and channel_write() behave like read() and write(), but take all that fits: -1 with errno EAGAIN
 *   where nothing can be done now, 0 at the end of the stream. Under TLS a read may leave decrypted bytes behind only
 *   where its buffer was full: channel_pending() says so, because epoll does not.
 *   Compiled without BENCH_TLS it needs no OpenSSL, and contexts end the program with a message.
 * Limits: one context per process; key exchange is X25519 or P-256, as every relay that is compared can do (newer
 *   OpenSSL would choose a hybrid with some relays and not with others). Certificates are not verified by the client.
 */
#ifndef SLUICE_BENCH_TLS_H
#define SLUICE_BENCH_TLS_H

#include "bench.h"

#include <sys/uio.h>

#ifdef BENCH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#else
typedef void SSL;
#endif

struct channel {
  int fd;
  SSL *ssl; /* NULL: in the clear */
};

/* Largest plaintext of a TLS record (RFC 8446 section 5.1): what is gathered for one write. */
#define TLS_RECORD_MAX 16384

enum handshake { HANDSHAKE_DONE, HANDSHAKE_READS, HANDSHAKE_WRITES, HANDSHAKE_FAILED };

#ifdef BENCH_TLS

static SSL_CTX *tls_context;
static SSL_SESSION *tls_ticket; /* the latest session that a server gave, where sessions are resumed */
static int tls_resumes;
static char tls_problem[160]; /* the latest failure, in OpenSSL's words */

static inline void tls_failure(void) {
  unsigned long code = ERR_peek_last_error();
  if (code != 0) ERR_error_string_n(code, tls_problem, sizeof tls_problem);
  ERR_clear_error();
}

static inline SSL_CTX *tls_new_context(const SSL_METHOD *method) {
  SSL_CTX *context = SSL_CTX_new(method);
  if (context == NULL) die("OpenSSL gives no context");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1); /* one system call per record instead of two */
  if (SSL_CTX_set1_groups_list(context, "X25519:P-256") != 1) die("OpenSSL does not know X25519 and P-256");
  return context;
}

static inline int tls_keep_ticket(SSL *ssl, SSL_SESSION *session) {
  (void)ssl;
  if (tls_ticket != NULL) SSL_SESSION_free(tls_ticket);
  tls_ticket = session;
  return 1; /* the reference is ours */
}

/* Makes this process a TLS client; with `resume` each handshake offers the latest session it was given. */
static inline void tls_client(int resume, const char *version) {
  tls_context = tls_new_context(TLS_client_method());
  tls_resumes = resume;
  SSL_CTX_set_session_cache_mode(tls_context, resume ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
                                                     : SSL_SESS_CACHE_OFF);
  if (resume) SSL_CTX_sess_set_new_cb(tls_context, tls_keep_ticket);
  if (strcmp(version, "1.2") == 0) SSL_CTX_set_max_proto_version(tls_context, TLS1_2_VERSION);
  else if (strcmp(version, "1.3") == 0) SSL_CTX_set_min_proto_version(tls_context, TLS1_3_VERSION);
  else die("--tls-version is 1.2 or 1.3, not '%s'", version);
}

/* Makes this process a TLS server. */
static inline void tls_server(const char *certificate, const char *key) {
  tls_context = tls_new_context(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(tls_context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(tls_context, key, SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(tls_context) != 1) {
    tls_failure();
    die("certificate %s and key %s: %s", certificate, key, tls_problem);
  }
}

/* Goes on with the handshake that tls_begin() or this function left. */
static inline enum handshake tls_handshake(struct channel *channel) {
  ERR_clear_error();
  int result = SSL_do_handshake(channel->ssl);
  if (result == 1) return HANDSHAKE_DONE;
  int why = SSL_get_error(channel->ssl, result);
  if (why == SSL_ERROR_WANT_READ) return HANDSHAKE_READS;
  if (why == SSL_ERROR_WANT_WRITE) return HANDSHAKE_WRITES;
  tls_failure();
  return HANDSHAKE_FAILED;
}

/* Puts TLS above the descriptor; `as_server` says which side this is. The handshake is begun by tls_handshake(). */
static inline void tls_begin(struct channel *channel, int as_server) {
  channel->ssl = SSL_new(tls_context);
  if (channel->ssl == NULL || SSL_set_fd(channel->ssl, channel->fd) != 1) die("OpenSSL gives no session");
  if (as_server) {
    SSL_set_accept_state(channel->ssl);
    return;
  }
  SSL_set_connect_state(channel->ssl);
  if (tls_resumes && tls_ticket != NULL) SSL_set_session(channel->ssl, tls_ticket);
}

static inline int tls_was_resumed(const struct channel *channel) { return SSL_session_reused(channel->ssl); }
static inline const char *tls_version_of(const struct channel *channel) { return SSL_get_version(channel->ssl); }
static inline const char *tls_cipher_of(const struct channel *channel) {
  return SSL_CIPHER_get_name(SSL_get_current_cipher(channel->ssl));
}

/* Says close_notify where a handshake was completed, and frees the session; the descriptor stays open. */
static inline void tls_end(struct channel *channel) {
  if (channel->ssl == NULL) return;
  ERR_clear_error();
  if (SSL_is_init_finished(channel->ssl)) SSL_shutdown(channel->ssl);
  SSL_free(channel->ssl);
  channel->ssl = NULL;
}

static inline int channel_pending(const struct channel *channel) {
  return channel->ssl != NULL && SSL_has_pending(channel->ssl);
}

/* errno and result of an OpenSSL call that moved nothing. */
static inline ssize_t tls_nothing(struct channel *channel, int result) {
  int why = SSL_get_error(channel->ssl, result);
  if (why == SSL_ERROR_ZERO_RETURN) return 0;
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
    errno = EAGAIN;
    return -1;
  }
  tls_failure();
  errno = ECONNRESET;
  return -1;
}

static inline ssize_t tls_read(struct channel *channel, char *into, size_t room) {
  size_t at = 0;
  /* Only as long as something was received already: a read that finds nothing would be a system call too many. */
  while (at < room && (at == 0 || SSL_has_pending(channel->ssl))) {
    ERR_clear_error();
    int got = SSL_read(channel->ssl, into + at, (int)(room - at));
    if (got > 0) at += (size_t)got;
    else if (at > 0) break; /* the end or the failure is met again by the next read */
    else return tls_nothing(channel, got);
  }
  return (ssize_t)at;
}

static inline ssize_t tls_write(struct channel *channel, const char *bytes, size_t length) {
  ERR_clear_error();
  int sent = SSL_write(channel->ssl, bytes, (int)length);
  return sent > 0 ? sent : tls_nothing(channel, sent);
}

#else /* without OpenSSL */

static const char tls_problem[] = "built without TLS";
static inline void tls_client(int resume, const char *version) {
  (void)resume, (void)version;
  die("built without TLS: install the OpenSSL headers (libssl-dev) and build again");
}
static inline void tls_server(const char *certificate, const char *key) { (void)key, tls_client(0, certificate); }
static inline enum handshake tls_handshake(struct channel *channel) { (void)channel; return HANDSHAKE_FAILED; }
static inline void tls_begin(struct channel *channel, int as_server) { (void)channel, (void)as_server; }
static inline int tls_was_resumed(const struct channel *channel) { (void)channel; return 0; }
static inline const char *tls_version_of(const struct channel *channel) { (void)channel; return ""; }
static inline const char *tls_cipher_of(const struct channel *channel) { (void)channel; return ""; }
static inline void tls_end(struct channel *channel) { (void)channel; }
static inline int channel_pending(const struct channel *channel) { (void)channel; return 0; }
static inline ssize_t tls_read(struct channel *c, char *into, size_t room) { return read(c->fd, into, room); }
static inline ssize_t tls_write(struct channel *c, const char *bytes, size_t n) { return write(c->fd, bytes, n); }

#endif

static inline ssize_t channel_read(struct channel *channel, char *into, size_t room) {
  return channel->ssl == NULL ? read(channel->fd, into, room) : tls_read(channel, into, room);
}

static inline ssize_t channel_write(struct channel *channel, const char *bytes, size_t length) {
  return channel->ssl == NULL ? write(channel->fd, bytes, length) : tls_write(channel, bytes, length);
}

/* Writes two parts as one: gathered into full records under TLS, so that a small first part costs no record. */
static inline ssize_t channel_write_both(struct channel *channel, const char *first, size_t first_length,
                                         const char *second, size_t second_length) {
  if (channel->ssl == NULL) {
    struct iovec parts[2] = {{(char *)first, first_length}, {(char *)second, second_length}};
    return writev(channel->fd, parts, 2);
  }
  static char record[TLS_RECORD_MAX];
  size_t done = 0, all = first_length + second_length;
  while (done < all) {
    size_t head = done < first_length ? first_length - done : 0;
    size_t at = done < first_length ? 0 : done - first_length;
    size_t room = TLS_RECORD_MAX - head, tail = second_length - at < room ? second_length - at : room;
    const char *bytes = second + at;
    if (head > 0) {
      memcpy(record, first + done, head);
      memcpy(record + head, bytes, tail);
      bytes = record;
    }
    ssize_t sent = tls_write(channel, bytes, head + tail);
    if (sent < 0) return done > 0 ? (ssize_t)done : sent;
    done += (size_t)sent;
    if ((size_t)sent < head + tail) break;
  }
  return (ssize_t)done;
}

/* Ends TLS, where there is any, and closes. */
static inline void channel_close(struct channel *channel) {
  tls_end(channel);
  if (channel->fd >= 0) close(channel->fd);
  channel->fd = -1;
}

#endif
