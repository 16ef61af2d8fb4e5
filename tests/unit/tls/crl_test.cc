// Certificate revocation lists beside the root certificates, and those of --crlfile.
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
  // The result when the CRLs are in a file of their own.
  Io outcome_with_file(const std::string& crls, const std::string& roots, const test::Identity& server) {
    auto context = Context::create(
        {.system = false, .file = file("roots.pem", roots), .crl_file = file("crls.pem", crls)}, log_);
    EXPECT_TRUE(context.ok()) << context.error().text();
    context_ = std::move(*context);
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

// ---- a file of CRLs ----

TEST_F(CrlTest, AFileOfCrlsRevokes) {
  const test::Identity revoked = server(authority_);
  const std::string crls = test::crl_of(authority_, {&revoked});
  ASSERT_EQ(outcome_with_file(crls, authority_.pem(), revoked), Io::kFailed);
  EXPECT_THAT(session_->error(), AllOf(HasSubstr("was not accepted: certificate revoked (subject /CN=x"),
                                       HasSubstr("; a CRL of its issuer, in --crlfile")));
  EXPECT_EQ(outcome_with_file(crls, authority_.pem(), server(authority_)), Io::kDone);
}

TEST_F(CrlTest, AFileWithoutTheCrlOfTheIssuerIsRefused) {
  const test::Identity other = test::issue({.common_name = "Other", .authority = true}, nullptr);
  ASSERT_EQ(outcome_with_file(test::crl_of(other, {}), other.pem() + authority_.pem(), server(authority_)),
            Io::kFailed);
  EXPECT_THAT(session_->error(),
              AllOf(HasSubstr("unable to get certificate CRL (subject /CN=x, issuer /CN=Test"),
                    HasSubstr("; the file of --crlfile has no CRL of that issuer")));
}

TEST_F(CrlTest, AnAuthorityFurtherUpNeedsNoCrlAndMayHaveOne) {
  const test::Identity between = test::issue({.common_name = "Between", .authority = true}, &authority_);
  const test::Identity leaf = server(between);
  // Both are trusted, as a server sends no chain here; the authority above is still part of it.
  const std::string roots = authority_.pem() + between.pem();
  const std::string crl = test::crl_of(between, {});
  EXPECT_EQ(outcome_with_file(crl, roots, leaf), Io::kDone) << session_->error();
  EXPECT_EQ(outcome_with_file(crl + test::crl_of(authority_, {}), roots, leaf), Io::kDone);
  ASSERT_EQ(outcome_with_file(crl + test::crl_of(authority_, {&between}), roots, leaf), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("certificate revoked (further up its chain: subject /CN=Between"));
}

TEST_F(CrlTest, AnExpiredCrlInAFileIsRefusedWithAWayOut) {
  ASSERT_EQ(outcome_with_file(test::crl_of(authority_, {}, -2), authority_.pem(), server(authority_)),
            Io::kFailed);
  EXPECT_THAT(session_->error(), AllOf(HasSubstr("CRL has expired"), HasSubstr("in --crlfile"),
                                       HasSubstr("put the issuer's current one in its place")));
}

TEST_F(CrlTest, CertificatesInAFileOfCrlsAreNotTrusted) {
  const test::Identity other = test::issue({.common_name = "Other", .authority = true}, nullptr);
  ASSERT_EQ(outcome_with_file(other.pem() + test::crl_of(other, {}), authority_.pem(), server(other)),
            Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("unable to get local issuer certificate"));
}

TEST_F(CrlTest, AFileWithoutIntactCrlsIsAnError) {
  const auto error_of = [this](const std::string& path) {
    const auto context = Context::create({.system = false, .crl_file = path}, log_);
    return context.ok() ? std::string() : context.error().text();
  };
  const std::string good = test::crl_of(authority_, {});
  std::string damaged = good;
  damaged[40] = damaged[40] == 'A' ? 'B' : 'A';
  for (const std::string& text :
       {std::string(), std::string("nothing\n"), authority_.pem(), damaged, good + damaged,
        good.substr(0, good.size() / 2), good + good.substr(0, good.size() / 2)})
    EXPECT_THAT(error_of(file("bad.pem", text)), HasSubstr("no CRLs in PEM form could be read from")) << text;
  EXPECT_EQ(error_of("/nowhere/crl.pem"), "cannot read /nowhere/crl.pem: No such file or directory");
  const std::string large = file("large.pem", good);
  std::filesystem::resize_file(large, 9 * 1024 * 1024);
  EXPECT_EQ(error_of(large), large + " has more than 8388608 bytes");
}

}  // namespace
}  // namespace localproxy::tls
