#include "tls/session.h"

#include <gmock/gmock.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "tests/unit/tls/fixture.h"

namespace localproxy::tls {
namespace {

using test::Identity;
using test::issue;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;

class SessionTest : public test::Fixture {
 protected:
  void SetUp() override {
    Fixture::SetUp();
    trusting_ = context_of(file("roots.pem", authority_.pem()));
    identity_ = issue({.common_name = "a server", .alternative_names = "DNS:example.com,IP:127.0.0.1,IP:::1"},
                      &authority_);
  }
  void open() {
    connect(*trusting_, identity_, "example.com");
    ASSERT_EQ(handshake(), Io::kDone) << session_->error();
    server_->handshake();
  }
  // Whether a certificate with these names is accepted for the host.
  bool accepts(const std::string& names, const std::string& host) {
    connect(*trusting_, issue({.common_name = "x", .alternative_names = names}, &authority_), host);
    return handshake() == Io::kDone;
  }

  std::unique_ptr<Context> trusting_;
  Identity identity_;
};

// ---- the handshake ----

TEST_F(SessionTest, AGoodChainIsAccepted) {
  open();
  EXPECT_THAT(session_->description(), MatchesRegex("TLSv1\\.[23], [A-Z0-9_-]+"));
  EXPECT_EQ(session_->error(), "");
  EXPECT_EQ(server_->server_name(), "example.com");
}

TEST_F(SessionTest, AnAddressIsAcceptedByItsOwnNameAndNotNamedToTheServer) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    connect(*trusting_, identity_, host);
    EXPECT_EQ(handshake(), Io::kDone) << session_->error();
    EXPECT_EQ(server_->server_name(), "");
  }
}

TEST_F(SessionTest, NamesAreMatchedStrictly) {
  EXPECT_TRUE(accepts("DNS:one.example,DNS:two.example", "two.example"));
  EXPECT_TRUE(accepts("DNS:EXAMPLE.com", "example.COM"));
  EXPECT_TRUE(accepts("DNS:*.example.com", "a.example.com"));
  EXPECT_FALSE(accepts("DNS:*.example.com", "example.com"));
  EXPECT_FALSE(accepts("DNS:*.example.com", "a.b.example.com"));
  EXPECT_FALSE(accepts("DNS:a*.example.com", "ab.example.com")) << "no partial wildcards";
  EXPECT_FALSE(accepts("DNS:example.com", "example.com.evil.example"));
  EXPECT_FALSE(accepts("DNS:127.0.0.1", "127.0.0.1")) << "an address is not a name";
  EXPECT_FALSE(accepts("IP:127.0.0.2", "127.0.0.1"));
}

TEST_F(SessionTest, ACommonNameIsNotAHostName) {
  const Identity server = issue({.common_name = "common.example"}, &authority_);
  connect(*trusting_, server, "common.example");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("hostname mismatch"));
}

TEST_F(SessionTest, ATrailingDotIsNotPartOfACertificateName) {
  connect(*trusting_, identity_, "example.com.");
  EXPECT_EQ(handshake(), Io::kDone) << session_->error();
  EXPECT_EQ(server_->server_name(), "example.com");
  EXPECT_FALSE(accepts("DNS:other.example", "example.com."));
}

TEST_F(SessionTest, AnUnknownAuthorityIsRefusedWithAWayOut) {
  const Identity other = issue({.common_name = "Other Authority", .authority = true}, nullptr);
  connect(*trusting_, issue({.common_name = "a server", .alternative_names = "DNS:example.com"}, &other),
          "example.com");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(),
              AllOf(HasSubstr("the certificate for example.com was not accepted: "
                              "unable to get local issuer certificate"),
                    HasSubstr("; when its root is a private one, give the directory with -c")));
}

TEST_F(SessionTest, ASelfSignedCertificateIsNotAccepted) {
  connect(*trusting_, issue({.common_name = "me", .alternative_names = "DNS:example.com"}, nullptr),
          "example.com");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("was not accepted: self"));
}

TEST_F(SessionTest, AnotherHostsCertificateIsRefusedWithAWayOut) {
  connect(*trusting_, identity_, "other.example");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(),
              AllOf(HasSubstr("the certificate for other.example was not accepted: hostname mismatch"),
                    HasSubstr("; connect by a name that the certificate has")));
  connect(*trusting_, identity_, "127.0.0.9");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), AllOf(HasSubstr("IP address mismatch"),
                                       HasSubstr("; connect by a name that the certificate has")));
}

TEST_F(SessionTest, ARefusedCertificateIsNamed) {
  const Identity other = issue({.common_name = "Other Authority", .authority = true}, nullptr);
  connect(*trusting_, issue({.common_name = "a server", .alternative_names = "DNS:example.com"}, &other),
          "example.com");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr(" (subject /CN=a server, issuer /CN=Other Authority); "));
  connect(*trusting_, identity_, "other.example");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr(" (subject /CN=a server, issuer /CN=Test Authority); "));
}

TEST_F(SessionTest, TheNamesOfAnotherHostsCertificateAreShown) {
  connect(*trusting_, identity_, "other.example");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), testing::EndsWith(", with -e: example.com, 127.0.0.1, ::1"));
  EXPECT_FALSE(accepts("email:a@example.com", "other.example"));
  EXPECT_THAT(session_->error(), testing::EndsWith(", with -e"));
  std::string many;
  for (int i = 0; i < 100; ++i)
    many += (i > 0 ? ",DNS:" : "DNS:") + std::to_string(i) + ".example.com";
  EXPECT_FALSE(accepts(many, "other.example"));
  EXPECT_THAT(session_->error(), testing::EndsWith(".example.com, ..."));
  EXPECT_LT(session_->error().size(), 1'000U);
}

TEST_F(SessionTest, AnExpiredAuthorityIsTheOneThatIsNamed) {
  const Identity old =
      issue({.common_name = "Old Authority", .authority = true, .days_from = -9, .days_to = -3}, nullptr);
  const auto trusting = context_of(file("old.pem", old.pem()));
  connect(*trusting, issue({.common_name = "x", .alternative_names = "DNS:example.com"}, &old),
          "example.com");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(),
              HasSubstr("has expired (further up its chain: subject /CN=Old Authority, issuer"));
}

TEST_F(SessionTest, ACertificateThatWasAcceptedIsNotBlamed) {
  open();
  ASSERT_GT(::write(SSL_get_fd(server_->ssl()), "GET / HTTP/1.1\r\n\r\n", 18), 0);
  std::array<uint8_t, 16> buffer{};
  size_t size = 0;
  EXPECT_EQ(session_->read(buffer, size), Io::kFailed);
  EXPECT_THAT(session_->error(), testing::Not(HasSubstr("certificate")));
}

TEST_F(SessionTest, ACertificateOutsideItsTimeIsNotAccepted) {
  connect(*trusting_,
          issue({.common_name = "x", .alternative_names = "DNS:example.com", .days_from = -9, .days_to = -3},
                &authority_),
          "example.com");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(
      session_->error(),
      AllOf(HasSubstr("certificate has expired (subject /CN=x, issuer /CN=Test Authority)"),
            MatchesRegex(".*; it was valid until 20[0-9-]+ [0-9:]+ UTC, and the clock of this machine "
                         "says 20[0-9-]+ [0-9:]+ UTC: set the clock.*")));
  connect(*trusting_,
          issue({.common_name = "x", .alternative_names = "DNS:example.com", .days_from = 3, .days_to = 9},
                &authority_),
          "example.com");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), AllOf(HasSubstr("certificate is not yet valid"), HasSubstr("valid from 20"),
                                       HasSubstr("the clock of this machine says 20")));
}

TEST_F(SessionTest, AServersCertificateIssuesNoOthers) {
  connect(*trusting_, issue({.common_name = "x", .alternative_names = "DNS:example.com"}, &identity_),
          "example.com");
  EXPECT_EQ(handshake(), Io::kFailed);
}

TEST_F(SessionTest, WithoutVerificationAnyCertificateIsAccepted) {
  const auto nothing = context_of("");
  connect(*nothing, issue({.common_name = "me", .days_from = -9, .days_to = -3}, nullptr), "example.com",
          false);
  ASSERT_EQ(handshake(), Io::kDone) << session_->error();
  EXPECT_EQ(server_->server_name(), "example.com");
}

TEST_F(SessionTest, OldVersionsAreRefused) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    connect(*trusting_, identity_, "example.com", false, version);
    ASSERT_EQ(handshake(), Io::kFailed);
    EXPECT_THAT(session_->error(), HasSubstr("protocol"));
  }
}

TEST_F(SessionTest, Version12IsAccepted) {
  connect(*trusting_, identity_, "example.com", true, TLS1_2_VERSION);
  ASSERT_EQ(handshake(), Io::kDone) << session_->error();
  EXPECT_THAT(session_->description(), testing::StartsWith("TLSv1.2, "));
}

TEST_F(SessionTest, Version13AloneMayBeAllowed) {
  auto context = Context::create({.system = false, .file = file("roots.pem", authority_.pem())}, log_,
                                 LeastVersion::kTls13);
  ASSERT_TRUE(context.ok());
  connect(**context, identity_, "example.com", true, TLS1_2_VERSION);
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("older than TLS 1.2, or than --tls-min"));
  connect(**context, identity_, "example.com");
  ASSERT_EQ(handshake(), Io::kDone) << session_->error();
  EXPECT_THAT(session_->description(), testing::StartsWith("TLSv1.3, "));
}

TEST_F(SessionTest, Version12NeedsForwardSecrecyAndAuthenticatedEncryption) {
  for (const char* ciphers :
       {"ECDHE+SHA256:!AESGCM", "ECDHE+SHA384:!AESGCM", "AES128-GCM-SHA256:AES256-SHA256"}) {
    connect(*trusting_, identity_, "example.com", false, TLS1_2_VERSION);
    ASSERT_EQ(SSL_set_cipher_list(server_->ssl(), ciphers), 1);
    ASSERT_EQ(handshake(), Io::kFailed) << ciphers;
    EXPECT_THAT(session_->error(), HasSubstr("handshake failure")) << ciphers;
  }
}

TEST_F(SessionTest, AServerThatDoesNotAnswerIsWaitedFor) {
  connect(*trusting_, identity_, "example.com");
  EXPECT_EQ(session_->handshake(), Io::kWantRead);
  EXPECT_EQ(session_->handshake(), Io::kWantRead);
}

TEST_F(SessionTest, AServerThatSpeaksSomethingElseFails) {
  auto pair = make_socketpair(SOCK_STREAM);
  ASSERT_TRUE(pair.ok());
  auto session = Session::create(*trusting_, std::move(pair->first), "example.com", true);
  ASSERT_TRUE(session.ok());
  ASSERT_GT(::write(pair->second.get(), "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 0);
  EXPECT_EQ((*session)->handshake(), Io::kFailed);
  EXPECT_NE((*session)->error(), "");
  EXPECT_THAT((*session)->error(), testing::Not(HasSubstr("certificate")));
}

TEST_F(SessionTest, AServerThatLeavesDuringTheHandshakeFails) {
  connect(*trusting_, identity_, "example.com");
  server_->drop();
  EXPECT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), testing::AnyOf(HasSubstr("closed"), HasSubstr("connection lost")));
}

// ---- bytes ----

TEST_F(SessionTest, BytesGoBothWays) {
  open();
  size_t size = 0;
  ASSERT_EQ(session_->write(as_bytes("to the server"), size), Io::kDone);
  EXPECT_EQ(size, 13U);
  EXPECT_EQ(server_->read(), "");  // still buffered
  ASSERT_EQ(session_->flush(), Io::kDone);
  EXPECT_EQ(server_->read(), "to the server");
  server_->write("to the client");
  std::array<uint8_t, 7> buffer{};
  ASSERT_EQ(session_->read(buffer, size), Io::kDone);
  EXPECT_EQ(as_text(Bytes(buffer).first(size)), "to the ");
  ASSERT_EQ(session_->read(buffer, size), Io::kDone);
  EXPECT_EQ(as_text(Bytes(buffer).first(size)), "client");
  EXPECT_EQ(session_->read(buffer, size), Io::kWantRead);
  EXPECT_EQ(size, 0U);
}

TEST_F(SessionTest, AFullSocketIsReportedAndNothingIsLost) {
  open();
  std::string sent, got;
  const std::string block = std::string(30'000, 'x') + std::string(30'000, 'y');
  bool full = false;
  for (int i = 0; i < 100 && !full; ++i) {
    Bytes rest = as_bytes(block);
    while (!rest.empty() && !full) {
      size_t size = 0;
      const Io io = session_->write(rest, size);
      ASSERT_TRUE(io == Io::kDone || io == Io::kWantWrite) << session_->error();
      full = io == Io::kWantWrite;
      sent += as_text(rest.first(size));
      rest = rest.subspan(size);
    }
    if (full) {
      // The same bytes are written again when there is room.
      for (std::string more; !(more = server_->read()).empty();)
        got += more;
      while (!rest.empty()) {
        size_t size = 0;
        ASSERT_EQ(session_->write(rest, size), Io::kDone);
        sent += as_text(rest.first(size));
        rest = rest.subspan(size);
      }
    }
  }
  ASSERT_TRUE(full);
  for (Io io = Io::kWantWrite; io != Io::kDone;) {
    io = session_->flush();
    ASSERT_TRUE(io == Io::kDone || io == Io::kWantWrite) << session_->error();
    for (std::string more; !(more = server_->read()).empty();)
      got += more;
  }
  EXPECT_TRUE(got == sent);
}

TEST_F(SessionTest, AnOrderlyEndIsClosed) {
  open();
  server_->write("last");
  SSL_shutdown(server_->ssl());
  std::array<uint8_t, 16> buffer{};
  size_t size = 0;
  ASSERT_EQ(session_->read(buffer, size), Io::kDone);
  EXPECT_EQ(size, 4U);
  EXPECT_EQ(session_->read(buffer, size), Io::kClosed);
  EXPECT_EQ(session_->error(), "");
}

TEST_F(SessionTest, AnEndWithoutNoticeIsAFailure) {
  open();
  server_->drop();
  std::array<uint8_t, 16> buffer{};
  size_t size = 0;
  EXPECT_EQ(session_->read(buffer, size), Io::kFailed);
  EXPECT_EQ(session_->error(), "the connection was closed without notice");
}

TEST_F(SessionTest, WritingToAServerThatIsGoneIsAFailure) {
  open();
  server_->drop();
  size_t size = 0;
  EXPECT_EQ(session_->write(as_bytes("x"), size), Io::kDone);
  EXPECT_EQ(session_->flush(), Io::kFailed);
  EXPECT_EQ(session_->error(), "connection lost: Broken pipe");
}

TEST_F(SessionTest, ShutdownTellsTheServer) {
  open();
  session_->shutdown();
  EXPECT_EQ(server_->read(), "");
  EXPECT_NE(SSL_get_shutdown(server_->ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
}

// ---- around it ----

TEST(WebsocketAcceptTest, MatchesTheRfc) {
  // RFC 6455, 1.3.
  const std::string digest = websocket_accept("dGhlIHNhbXBsZSBub25jZQ==");
  ASSERT_EQ(digest.size(), 20U);
  std::array<unsigned char, 64> text{};
  const int size = EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(digest.data()), 20);
  EXPECT_EQ(std::string(text.begin(), text.begin() + size), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(RandomBytesTest, FillsEverythingDifferentlyEachTime) {
  std::array<uint8_t, 64> first{}, second{};
  random_bytes(first);
  random_bytes(second);
  EXPECT_NE(first, second);
  for (const auto& bytes : {first, second}) {
    // Sixteen zero bytes in a row do not occur by chance.
    for (size_t i = 0; i < bytes.size(); i += 16)
      EXPECT_NE(
          std::count(bytes.begin() + static_cast<long>(i), bytes.begin() + static_cast<long>(i + 16), 0), 16);
  }
}

}  // namespace
}  // namespace localproxy::tls
