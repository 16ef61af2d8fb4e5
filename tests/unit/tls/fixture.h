// A TLS server in the test process, and a directory for certificates.
#pragma once

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/fd.h"
#include "tests/unit/tls/authority.h"
#include "tls/context.h"
#include "tls/session.h"

namespace localproxy::tls::test {

class TextLog : public Log {
 public:
  TextLog() : Log(LogLevel::kTrace) {}
  std::vector<std::string> lines;

 private:
  void emit(LogLevel, std::string_view text) override { lines.emplace_back(text); }
};

class Server {
 public:
  // highest: the highest TLS version that it speaks, or 0 for any.
  Server(const Identity& identity, UniqueFd socket, int highest = 0)
      : context_(SSL_CTX_new(TLS_server_method())), socket_(std::move(socket)) {
    SSL_CTX* context = context_.get();
    // Old versions need weak signatures.
    if (highest != 0) SSL_CTX_set_security_level(context, 0);
    EXPECT_EQ(SSL_CTX_set_max_proto_version(context, highest), 1);
    EXPECT_EQ(SSL_CTX_use_certificate(context, identity.certificate.get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context, identity.key.get()), 1);
    ssl_.reset(SSL_new(context));
    SSL_set_fd(ssl_.get(), socket_.get());
    SSL_set_accept_state(ssl_.get());
  }

  void handshake() { SSL_do_handshake(ssl_.get()); }
  SSL* ssl() { return ssl_.get(); }
  // What the client named (SNI).
  std::string server_name() {
    const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    return name != nullptr ? name : "";
  }
  std::string read() {
    std::string text(65'536, '\0');
    size_t size = 0;
    SSL_read_ex(ssl_.get(), text.data(), text.size(), &size);
    text.resize(size);
    return text;
  }
  void write(const std::string& text) {
    size_t size = 0;
    EXPECT_EQ(SSL_write_ex(ssl_.get(), text.data(), text.size(), &size), 1);
    EXPECT_EQ(size, text.size());
  }
  // Closes the connection without close_notify.
  void drop() { socket_.reset(); }

 private:
  std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>> context_;
  UniqueFd socket_;
  std::unique_ptr<SSL, FreeWith<SSL_free>> ssl_;
};

class Fixture : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/localproxy-tls-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& text) {
    const std::string path = (directory_ / name).string();
    std::ofstream(path) << text;
    return path;
  }
  // Trusts only the certificates in that file; with an empty path, none.
  std::unique_ptr<Context> context_of(const std::string& path) {
    auto context = Context::create({.system = false, .file = path}, log_);
    EXPECT_TRUE(context.ok()) << context.error().text();
    return std::move(*context);
  }
  // A client of context, connected to a server.
  void connect(const Context& context, const Identity& identity, const std::string& host, bool verify = true,
               int highest = 0) {
    auto pair = make_socketpair(SOCK_STREAM);
    ASSERT_TRUE(pair.ok());
    auto session = Session::create(context, std::move(pair->first), host, verify);
    ASSERT_TRUE(session.ok()) << session.error().text();
    session_ = std::move(*session);
    server_ = std::make_unique<Server>(identity, std::move(pair->second), highest);
  }
  // Runs the handshake on both sides; returns the client's result.
  Io handshake() {
    for (int i = 0; i < 20; ++i) {
      const Io io = session_->handshake();
      server_->handshake();
      if (io == Io::kDone || io == Io::kFailed || io == Io::kClosed) return io;
    }
    return Io::kWantRead;
  }

  std::filesystem::path directory_;
  TextLog log_;
  Identity authority_ = issue({.common_name = "Test Authority", .authority = true}, nullptr);
  std::unique_ptr<Session> session_;
  std::unique_ptr<Server> server_;
};

}  // namespace localproxy::tls::test
