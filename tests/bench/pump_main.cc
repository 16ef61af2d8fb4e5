// bench-pump: the least that carrying bytes over TLS can cost, for the benchmark to compare with. One thread
// a connection; read, SSL_write; SSL_read, write; 64 KiB; everything else as OpenSSL has it.
//
//   bench-pump client PORT              plain on a free port -> TLS to PORT
//   bench-pump server PORT CERT KEY     TLS on a free port -> plain to PORT
//
// Says "ready PORT" and ends with its standard input.

#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "load.h"

namespace localproxy::bench {
namespace {

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// Both directions of one connection, until either side ends.
void pump(int plain, SSL* ssl, int secure) {
  std::vector<uint8_t> block(kBlock);
  for (;;) {
    pollfd ready[] = {{plain, POLLIN, 0}, {secure, POLLIN, 0}};
    if (SSL_pending(ssl) == 0 && ::poll(ready, 2, -1) < 0) return;
    if (ready[0].revents != 0) {
      const ssize_t got = ::read(plain, block.data(), block.size());
      if (got <= 0 || SSL_write(ssl, block.data(), static_cast<int>(got)) <= 0) return;
    }
    if (ready[1].revents != 0 || SSL_pending(ssl) > 0) {
      const int got = SSL_read(ssl, block.data(), static_cast<int>(block.size()));
      if (got <= 0 || !try_write_all(plain, Bytes(block).first(static_cast<size_t>(got)))) return;
    }
  }
}

void carry(UniqueFd accepted, SSL_CTX* context, bool client, uint16_t port) {
  const UniqueFd other = try_connect_to(port);
  if (!other) return;
  const int plain = client ? accepted.get() : other.get();
  const int secure = client ? other.get() : accepted.get();
  const std::unique_ptr<SSL, FreeSsl> ssl(SSL_new(context));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), secure) != 1) return;
  if ((client ? SSL_connect(ssl.get()) : SSL_accept(ssl.get())) != 1) return;
  pump(plain, ssl.get(), secure);
  SSL_shutdown(ssl.get());
}

int serve(bool client, uint16_t to, const char* certificate, const char* key) {
  SSL_CTX* const context = SSL_CTX_new(client ? TLS_client_method() : TLS_server_method());
  if (context == nullptr) give_up("SSL_CTX_new");
  // A ticket would make poll() promise what SSL_read() then waits for.
  SSL_CTX_set_num_tickets(context, 0);
  if (!client && (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
                  SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)) {
    give_up("the certificate cannot be used");
  }
  uint16_t port = 0;
  const UniqueFd listener = listen_anywhere(port);
  printf("ready %u\n", port);
  fflush(stdout);
  std::thread([] {
    char waste = 0;
    while (::read(STDIN_FILENO, &waste, 1) > 0) {
    }
    _exit(0);
  }).detach();
  for (;;) {
    std::thread([=](UniqueFd fd) { carry(std::move(fd), context, client, to); }, accept_from(listener.get()))
        .detach();
  }
}

}  // namespace
}  // namespace localproxy::bench

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const auto port = [&] { return static_cast<uint16_t>(strtoul(argv[2], nullptr, 10)); };
  if (mode == "client" && argc == 3) return localproxy::bench::serve(true, port(), nullptr, nullptr);
  if (mode == "server" && argc == 5) return localproxy::bench::serve(false, port(), argv[3], argv[4]);
  fprintf(stderr, "usage: see the first lines of pump_main.cc\n");
  return 2;
}
