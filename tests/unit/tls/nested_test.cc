// TLS inside TLS, as it passes a web proxy that is reached over https.
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <random>

#include "tests/unit/tls/fixture.h"

namespace localproxy::tls {
namespace {

using test::Identity;
using test::issue;
using test::Server;
using testing::HasSubstr;

// session_ talks to the proxy, server_, until nest() starts the session with the service inside it.
class NestedTest : public test::Fixture {
 protected:
  void SetUp() override {
    Fixture::SetUp();
    trusting_ = context_of(file("roots.pem", authority_.pem()));
    identity_ = issue({.common_name = "x", .alternative_names = "DNS:proxy.example,DNS:service.example"},
                      &authority_);
    connect(*trusting_, identity_, "proxy.example");
    ASSERT_EQ(handshake(), Io::kDone) << session_->error();
    server_->handshake();
  }
  // The far side has the same two layers.
  Io nest(const std::string& host, bool verify = true, const Identity* identity = nullptr) {
    auto pair = make_socketpair(SOCK_STREAM);
    service_ = std::make_unique<Server>(identity != nullptr ? *identity : identity_, std::move(pair->first));
    BIO* through = BIO_new(BIO_f_ssl());
    BIO_set_ssl(through, server_->ssl(), BIO_NOCLOSE);
    SSL_set_bio(service_->ssl(), through, through);
    auto inner = Session::create(*trusting_, std::move(session_), host, verify);
    EXPECT_TRUE(inner.ok());
    session_ = std::move(*inner);
    for (int i = 0; i < 20; ++i) {
      const Io io = session_->handshake();
      service_->handshake();
      if (io != Io::kWantRead) return io;
    }
    return Io::kWantRead;
  }
  void TearDown() override {
    service_.reset();
    Fixture::TearDown();
  }

  std::unique_ptr<Context> trusting_;
  Identity identity_;
  std::unique_ptr<Server> service_;
};

TEST_F(NestedTest, EachLayerHasItsOwnName) {
  ASSERT_EQ(nest("service.example"), Io::kDone) << session_->error();
  EXPECT_EQ(server_->server_name(), "proxy.example");
  EXPECT_EQ(service_->server_name(), "service.example");
}

TEST_F(NestedTest, TheServiceIsVerifiedToo) {
  ASSERT_EQ(nest("other.example"), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("the certificate for other.example was not accepted"));
}

TEST_F(NestedTest, TheServiceAloneMayGoUnverified) {
  const Identity own = issue({.common_name = "me"}, nullptr);
  EXPECT_EQ(nest("service.example", false, &own), Io::kDone) << session_->error();
}

// Both directions at once, in odd pieces, with the sockets of both sides full at times and keys updated in
// both layers meanwhile.
TEST_F(NestedTest, BytesArriveWhateverTheLayersDo) {
  ASSERT_EQ(nest("service.example"), Io::kDone) << session_->error();
  constexpr size_t kSize = 3'000'000;
  std::minstd_rand random(1);
  std::string to_service(kSize, 0), to_client(kSize, 0);
  for (std::string* text : {&to_service, &to_client})
    for (char& c : *text)
      c = static_cast<char>(random());
  size_t sent = 0, answered = 0;
  std::string at_service, at_client;
  for (int turn = 0; (at_service.size() < kSize || at_client.size() < kSize) && turn < 100'000; ++turn) {
    for (SSL* ssl : {service_->ssl(), server_->ssl()})
      if (turn % 50 == 0) SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
    size_t size = 0;
    for (Io io = Io::kDone; io == Io::kDone && sent < kSize; sent += size) {
      io = session_->write(as_bytes(to_service).subspan(sent, std::min(kSize - sent, size_t{70'001})), size);
      ASSERT_TRUE(io == Io::kDone || io == Io::kWantWrite || io == Io::kWantRead) << session_->error();
    }
    ASSERT_NE(session_->flush(), Io::kFailed) << session_->error();
    if (turn % 3 == 0)
      for (std::string more; !(more = service_->read()).empty();)
        at_service += more;
    SSL_set_mode(service_->ssl(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_mode(server_->ssl(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    for (size = 1; size > 0 && answered < kSize; answered += size) {
      size = 0;
      SSL_write_ex(service_->ssl(), to_client.data() + answered, std::min(kSize - answered, size_t{50'003}),
                   &size);
    }
    std::array<uint8_t, 9'001> buffer{};
    Io io = Io::kDone;
    while ((io = session_->read(buffer, size)) == Io::kDone)
      at_client += as_text(Bytes(buffer).first(size));
    ASSERT_TRUE(io == Io::kWantRead || io == Io::kWantWrite) << session_->error();
  }
  EXPECT_TRUE(at_service == to_service) << at_service.size();
  EXPECT_TRUE(at_client == to_client) << at_client.size();
}

TEST_F(NestedTest, AnEndOfEitherLayerIsNoticed) {
  ASSERT_EQ(nest("service.example"), Io::kDone) << session_->error();
  SSL_shutdown(server_->ssl());
  std::array<uint8_t, 16> buffer{};
  size_t size = 0;
  EXPECT_EQ(session_->read(buffer, size), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("closed"));
}

TEST_F(NestedTest, ShutdownTellsBoth) {
  ASSERT_EQ(nest("service.example"), Io::kDone) << session_->error();
  session_->shutdown();
  EXPECT_EQ(service_->read(), "");
  EXPECT_NE(SSL_get_shutdown(service_->ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
  EXPECT_EQ(server_->read(), "");
  EXPECT_NE(SSL_get_shutdown(server_->ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
}

}  // namespace
}  // namespace localproxy::tls
