// Certificate revocation lists beside the root certificates.
#include <gmock/gmock.h>

#include "tests/unit/tls/fixture.h"

namespace localproxy::tls {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;

class CrlTest : public test::Fixture {
 protected:
  // The result of a handshake with `server` when the CA file holds the authority and `crls`.
  Io outcome(const std::string& crls, const test::Identity& server) {
    context_ = context_of(file("roots.pem", authority_.pem() + crls));
    connect(*context_, server, "example.com");
    return handshake();
  }
  test::Identity server(const test::Identity& by) {
    return test::issue({.common_name = "x", .alternative_names = "DNS:example.com"}, &by);
  }

  std::unique_ptr<Context> context_;
};

TEST_F(CrlTest, ARevokedCertificateIsRefusedWithTheReason) {
  const test::Identity revoked = server(authority_);
  ASSERT_EQ(outcome(test::crl_of(authority_, {&revoked}), revoked), Io::kFailed);
  EXPECT_THAT(session_->error(), AllOf(HasSubstr("was not accepted: certificate revoked (subject /CN=x"),
                                       HasSubstr("; a CRL of its issuer")));
}

TEST_F(CrlTest, OthersOfTheSameIssuerAreAccepted) {
  const test::Identity revoked = server(authority_);
  EXPECT_EQ(outcome(test::crl_of(authority_, {&revoked}), server(authority_)), Io::kDone);
  EXPECT_EQ(session_->error(), "");
}

TEST_F(CrlTest, AnIssuerWithoutACrlIsAccepted) {
  const test::Identity other = test::issue({.common_name = "Other", .authority = true}, nullptr);
  EXPECT_EQ(outcome(other.pem() + test::crl_of(other, {}), server(authority_)), Io::kDone);
}

TEST_F(CrlTest, ACrlOfAnotherIssuerRevokesNothing) {
  const test::Identity stranger = test::issue({.common_name = "Test Authority", .authority = true}, nullptr);
  const test::Identity good = server(authority_);
  EXPECT_EQ(outcome(test::crl_of(stranger, {&good}), good), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("CRL"));
}

TEST_F(CrlTest, AnExpiredCrlIsRefusedWithAWayOut) {
  ASSERT_EQ(outcome(test::crl_of(authority_, {}, -2), server(authority_)), Io::kFailed);
  EXPECT_THAT(session_->error(),
              AllOf(HasSubstr("CRL has expired"),
                    MatchesRegex(".*; the CRL of its issuer.* was valid until 20[0-9-]+ [0-9:]+ UTC, and.*"
                                 "put the issuer's current one in its place.*")));
}

TEST_F(CrlTest, ANewerCrlBesideAnOldOneIsEnough) {
  EXPECT_EQ(outcome(test::crl_of(authority_, {}, -2) + test::crl_of(authority_, {}, 2), server(authority_)),
            Io::kDone);
}

TEST_F(CrlTest, CrlsAreIgnoredWithoutVerification) {
  const test::Identity revoked = server(authority_);
  context_ = context_of(file("roots.pem", authority_.pem() + test::crl_of(authority_, {&revoked})));
  connect(*context_, revoked, "example.com", false);
  EXPECT_EQ(handshake(), Io::kDone);
}

}  // namespace
}  // namespace localproxy::tls
