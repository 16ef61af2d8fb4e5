// The public keys that a server may have.
#include <gmock/gmock.h>
#include <openssl/evp.h>

#include <array>

#include "tests/unit/tls/fixture.h"
#include "tls/certificate_error.h"

namespace localproxy::tls {
namespace {

using test::Identity;
using test::issue;
using testing::AllOf;
using testing::HasSubstr;

class PinTest : public test::Fixture {
 protected:
  void SetUp() override {
    Fixture::SetUp();
    trusting_ = context_of(file("roots.pem", authority_.pem()));
    server_identity_ =
        issue({.common_name = "a server", .alternative_names = "DNS:example.com"}, &authority_);
  }
  Io outcome(std::vector<std::string> pins, bool verify = true) {
    connect(*trusting_, server_identity_, "example.com", verify);
    session_->pin(std::move(pins));
    return handshake();
  }

  std::unique_ptr<Context> trusting_;
  Identity server_identity_;
};

TEST_F(PinTest, TheRightKeyIsAccepted) {
  const std::string right = key_digest(server_identity_.certificate.get());
  ASSERT_EQ(right.size(), 32U);
  EXPECT_EQ(outcome({right}), Io::kDone) << session_->error();
  EXPECT_EQ(outcome({std::string(32, 'x'), right}), Io::kDone) << session_->error();
  EXPECT_EQ(outcome({}), Io::kDone) << session_->error();
}

TEST_F(PinTest, AnotherKeyIsRefusedAndShown) {
  const std::string issuer = key_digest(authority_.certificate.get());
  for (const std::vector<std::string>& pins :
       {std::vector<std::string>{issuer}, {std::string(32, 'x'), std::string(32, '\0')}, {std::string()}}) {
    ASSERT_EQ(outcome(pins), Io::kFailed);
    EXPECT_THAT(
        session_->error(),
        AllOf(testing::MatchesRegex("the certificate for example.com was not accepted: its public key is "
                                    "sha256//[A-Za-z0-9+/]{43}=, which --pin-sha256 does not name .*"),
              HasSubstr("(subject /CN=a server, issuer /CN=Test Authority)")));
  }
}

TEST_F(PinTest, TheKeyThatIsShownCanBePinned) {
  ASSERT_EQ(outcome({std::string(32, 'x')}), Io::kFailed);
  const std::string text = session_->error();
  std::string shown = text.substr(text.find("sha256//") + 8, 44);
  std::array<unsigned char, 64> bytes{};
  ASSERT_EQ(EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(shown.data()), 44), 33);
  EXPECT_EQ(outcome({std::string(bytes.begin(), bytes.begin() + 32)}), Io::kDone) << session_->error();
}

TEST_F(PinTest, APinReplacesNoVerification) {
  const Identity stranger = issue({.common_name = "me", .alternative_names = "DNS:example.com"}, nullptr);
  connect(*trusting_, stranger, "example.com");
  session_->pin({key_digest(stranger.certificate.get())});
  ASSERT_EQ(handshake(), Io::kFailed);
  EXPECT_THAT(session_->error(), HasSubstr("was not accepted: self"));
}

TEST_F(PinTest, APinHoldsWithoutVerification) {
  EXPECT_EQ(outcome({key_digest(server_identity_.certificate.get())}, false), Io::kDone);
  EXPECT_EQ(outcome({std::string(32, 'x')}, false), Io::kFailed);
}

}  // namespace
}  // namespace localproxy::tls
