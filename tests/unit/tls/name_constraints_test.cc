// An authority cannot certify a host outside its name constraints, whatever the certificate's names are.
#include <gmock/gmock.h>

#include "tests/unit/tls/fixture.h"

namespace localproxy::tls {
namespace {

using test::Identity;
using test::issue;
using testing::HasSubstr;

class NameConstraintsTest : public test::Fixture {
 protected:
  // Whether a certificate with these names is accepted for the host, by an authority with these constraints.
  bool accepts(const std::string& constraints, const std::string& names, const std::string& host,
               const std::string& common_name = "x") {
    const Identity constrained =
        issue({.common_name = "Constrained", .authority = true, .name_constraints = constraints}, nullptr);
    context_ = context_of(file("roots.pem", constrained.pem()));
    connect(*context_, issue({.common_name = common_name, .alternative_names = names}, &constrained), host);
    const bool accepted = handshake() == Io::kDone;
    EXPECT_EQ(session_->error().find("subtree violation") == std::string::npos, accepted)
        << session_->error();
    return accepted;
  }

  std::unique_ptr<Context> context_;
};

TEST_F(NameConstraintsTest, APermittedSubtreeHolds) {
  const std::string constraints = "permitted;DNS:example.com";
  EXPECT_TRUE(accepts(constraints, "DNS:example.com", "example.com"));
  EXPECT_TRUE(accepts(constraints, "DNS:a.example.com", "a.example.com"));
  EXPECT_TRUE(accepts(constraints, "DNS:*.example.com", "a.example.com"));
  EXPECT_FALSE(accepts(constraints, "DNS:other.example", "other.example"));
  EXPECT_FALSE(accepts(constraints, "DNS:notexample.com", "notexample.com"));
  EXPECT_FALSE(accepts(constraints, "DNS:example.com,DNS:other.example", "other.example"));
  EXPECT_FALSE(accepts(constraints, "DNS:example.com,DNS:other.example", "example.com"));
  EXPECT_FALSE(accepts(constraints, "DNS:other.example", "other.example", "example.com"));
  EXPECT_FALSE(accepts("permitted;DNS:a.example.com", "DNS:*.example.com", "b.example.com"));
}

TEST_F(NameConstraintsTest, AnExcludedSubtreeHolds) {
  const std::string constraints = "excluded;DNS:bad.example.com";
  EXPECT_TRUE(accepts(constraints, "DNS:good.example.com", "good.example.com"));
  EXPECT_FALSE(accepts(constraints, "DNS:bad.example.com", "bad.example.com"));
  EXPECT_FALSE(accepts(constraints, "DNS:a.bad.example.com", "a.bad.example.com"));
  EXPECT_FALSE(accepts(constraints, "DNS:BAD.example.com", "bad.EXAMPLE.com"));
}

// OpenSSL accepts this: the wildcard itself is not below the excluded name.
TEST_F(NameConstraintsTest, AWildcardDoesNotReachAnExcludedHost) {
  const std::string constraints = "excluded;DNS:bad.example.com";
  EXPECT_TRUE(accepts(constraints, "DNS:*.example.com", "good.example.com"));
  EXPECT_FALSE(accepts(constraints, "DNS:*.example.com", "bad.example.com"));
  EXPECT_FALSE(accepts(constraints, "DNS:*.example.com", "BAD.example.com."));
}

TEST_F(NameConstraintsTest, AddressesAreConstrainedToo) {
  EXPECT_TRUE(accepts("permitted;IP:127.0.0.0/255.0.0.0", "IP:127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(accepts("permitted;IP:10.0.0.0/255.0.0.0", "IP:127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(accepts("excluded;IP:127.0.0.0/255.0.0.0", "IP:127.0.0.1", "127.0.0.1"));
}

TEST_F(NameConstraintsTest, EveryAuthorityOfAChainCounts) {
  const Identity root =
      issue({.common_name = "Root", .authority = true, .name_constraints = "excluded;DNS:bad.example.com"},
            nullptr);
  const Identity between = issue({.common_name = "Between", .authority = true}, &root);
  context_ = context_of(file("roots.pem", root.pem() + between.pem()));
  const Identity server = issue({.common_name = "x", .alternative_names = "DNS:*.example.com"}, &between);
  connect(*context_, server, "good.example.com");
  EXPECT_EQ(handshake(), Io::kDone) << session_->error();
  connect(*context_, server, "bad.example.com");
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("excluded subtree violation"));
}

}  // namespace
}  // namespace localproxy::tls
