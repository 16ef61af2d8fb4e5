// The certificate that a client shows to a server that asks for one.
#include <gmock/gmock.h>
#include <openssl/err.h>

#include <array>

#include "tests/unit/tls/fixture.h"

namespace localproxy::tls {
namespace {

using test::Identity;
using test::issue;
using testing::HasSubstr;

class ClientCertificateTest : public test::Fixture {
 protected:
  void SetUp() override {
    Fixture::SetUp();
    trusting_ = context_of(file("roots.pem", authority_.pem()));
    server_identity_ =
        issue({.common_name = "a server", .alternative_names = "DNS:example.com"}, &authority_);
    client_ = issue({.common_name = "a client"}, &authority_);
  }
  // The server demands a certificate; which one it gets is for the test to judge.
  void connect_to_one_that_asks(int highest = 0) {
    connect(*trusting_, server_identity_, "example.com", true, highest);
    SSL_set_verify(server_->ssl(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                   [](int, X509_STORE_CTX*) { return 1; });
  }
  Result<> present(const std::string& chain, const std::string& key) { return session_->present(chain, key); }

  std::unique_ptr<Context> trusting_;
  Identity server_identity_;
  Identity client_;
};

TEST_F(ClientCertificateTest, ItIsShownToAServerThatAsks) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    connect_to_one_that_asks(version);
    ASSERT_TRUE(present(client_.pem() + authority_.pem(), client_.key_pem()).ok());
    ASSERT_EQ(handshake(), Io::kDone) << session_->error();
    server_->handshake();
    EXPECT_TRUE(session_->was_asked());
    const X509* const shown = SSL_get0_peer_certificate(server_->ssl());
    ASSERT_NE(shown, nullptr);
    EXPECT_EQ(X509_cmp(shown, client_.certificate.get()), 0);
    EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(server_->ssl())), 1) << "and the rest of the chain";
    size_t size = 0;
    ASSERT_EQ(session_->write(as_bytes("hello"), size), Io::kDone);
    ASSERT_EQ(session_->flush(), Io::kDone);
    EXPECT_EQ(server_->read(), "hello");
  }
}

TEST_F(ClientCertificateTest, ItIsNotShownToOneThatDoesNotAsk) {
  connect(*trusting_, server_identity_, "example.com");
  ASSERT_TRUE(present(client_.pem(), client_.key_pem()).ok());
  ASSERT_EQ(handshake(), Io::kDone) << session_->error();
  server_->handshake();
  EXPECT_EQ(SSL_get0_peer_certificate(server_->ssl()), nullptr);
  EXPECT_FALSE(session_->was_asked());
}

TEST_F(ClientCertificateTest, WithoutOneTheErrorSaysWhatIsMissing) {
  connect_to_one_that_asks();
  ASSERT_EQ(handshake(), Io::kDone);
  server_->handshake();
  std::array<uint8_t, 16> buffer{};
  size_t size = 0;
  ASSERT_EQ(session_->read(buffer, size), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("demands a client certificate"));
  EXPECT_TRUE(session_->was_asked());
}

TEST_F(ClientCertificateTest, WhatCannotBeUsedIsRefused) {
  const Identity other = issue({.common_name = "another"}, &authority_);
  connect(*trusting_, server_identity_, "example.com");
  const auto error_of = [this](const std::string& chain, const std::string& key) {
    const auto done = present(chain, key);
    EXPECT_EQ(ERR_peek_error(), 0U);
    return done.ok() ? std::string() : done.error().text();
  };
  EXPECT_THAT(error_of(client_.pem(), other.key_pem()), HasSubstr("cannot be used with its key: "));
  EXPECT_THAT(error_of("", client_.key_pem()), HasSubstr("the client certificate cannot be used: "));
  EXPECT_THAT(error_of(client_.key_pem(), client_.key_pem()),
              HasSubstr("the client certificate cannot be used: "));
  EXPECT_THAT(error_of(client_.pem(), ""), HasSubstr("the key of the client certificate cannot be used: "));
  EXPECT_THAT(error_of(client_.pem(), client_.pem()),
              HasSubstr("the key of the client certificate cannot be used: "));
  const std::string damaged = client_.pem().replace(40, 4, "AAAA");
  EXPECT_THAT(error_of(damaged, client_.key_pem()), HasSubstr("the client certificate cannot be used: "));
  EXPECT_THAT(error_of(client_.pem() + damaged, client_.key_pem()),
              HasSubstr("the client certificate cannot be used: "));
}

// OpenSSL would otherwise ask for the password at the terminal.
TEST_F(ClientCertificateTest, AnEncryptedKeyIsRefused) {
  connect(*trusting_, server_identity_, "example.com");
  const auto done = present(client_.pem(), client_.key_pem(EVP_aes_256_cbc()));
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().text(), HasSubstr("the key of the client certificate cannot be used: "));
}

}  // namespace
}  // namespace localproxy::tls
