// Which certificates a context trusts, and its errors about files that are not certificates.
#include "tls/context.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/unit/tls/fixture.h"

namespace localproxy::tls {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

class ContextTest : public test::Fixture {
 protected:
  test::Identity server_identity(const test::Identity& by) {
    return test::issue({.common_name = "x", .alternative_names = "DNS:example.com"}, &by);
  }
  // Whether a server certificate of that authority is trusted.
  bool trusts(const Context& context, const test::Identity& authority) {
    connect(context, server_identity(authority), "example.com");
    return handshake() == Io::kDone;
  }
  Result<std::unique_ptr<Context>> of_directory() {
    return Context::create({.system = false, .paths = {directory_}}, log_);
  }
};

TEST_F(ContextTest, TrustsTheCertificatesOfAFile) {
  const test::Identity second = test::issue({.common_name = "Second", .authority = true}, nullptr);
  const test::Identity other = test::issue({.common_name = "Other", .authority = true}, nullptr);
  const auto context = context_of(file("roots.pem", authority_.pem() + "\n# a comment\n" + second.pem()));
  EXPECT_TRUE(trusts(*context, authority_));
  EXPECT_TRUE(trusts(*context, second));
  EXPECT_FALSE(trusts(*context, other));
  EXPECT_THAT(log_.lines, IsEmpty());
}

TEST_F(ContextTest, TrustsTheCertificatesOfADirectoryWhateverElseIsInIt) {
  file("a-text", "not a certificate\n");
  file("broken.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
  file("cut.pem", authority_.pem().substr(0, 200));
  file("empty", "");
  file("zeros", std::string(10'000, '\0'));
  fs::create_directory(directory_ / "directory");
  fs::create_symlink("/nowhere/at/all", directory_ / "dangling");
  ASSERT_EQ(::mkfifo((directory_ / "fifo").c_str(), 0600), 0);  // opening it would wait forever
  file("without-an-ending", authority_.pem());
  const auto context = of_directory();
  ASSERT_TRUE(context.ok()) << context.error().text();
  EXPECT_TRUE(trusts(**context, authority_));
  EXPECT_THAT(log_.lines, IsEmpty());
}

TEST_F(ContextTest, TheSameCertificateTwiceIsFine) {
  file("one", authority_.pem());
  file("two", authority_.pem());
  const auto context = of_directory();
  ASSERT_TRUE(context.ok()) << context.error().text();
  EXPECT_TRUE(trusts(**context, authority_));
}

TEST_F(ContextTest, ADirectoryWithoutCertificatesIsAWarning) {
  file("a-text", "not a certificate\n");
  const auto context = of_directory();
  ASSERT_TRUE(context.ok()) << context.error().text();
  EXPECT_THAT(log_.lines, ElementsAre("TLS: no PEM certificates in " + directory_.string()));
  EXPECT_FALSE(trusts(**context, authority_));
}

TEST_F(ContextTest, AMissingDirectoryIsAnError) {
  const auto context = Context::create({.system = false, .paths = {"/nowhere/at/all"}}, log_);
  ASSERT_FALSE(context.ok());
  EXPECT_EQ(context.error().text(),
            "cannot read the certificate directory /nowhere/at/all: No such file or directory");
}

TEST_F(ContextTest, AHashedEntryThatCannotBeReadIsNamed) {
  const std::string name = file("0123abcd.0", "not a certificate\n");
  file("good", authority_.pem());
  const auto context = of_directory();
  ASSERT_TRUE(context.ok()) << context.error().text();
  EXPECT_TRUE(trusts(**context, authority_));
  EXPECT_THAT(log_.lines, testing::Contains("TLS: no PEM certificates could be read from " + name));
}

TEST_F(ContextTest, TheVariablesOfOpensslTakeThePlaceOfTheSystems) {
  const test::Identity second = test::issue({.common_name = "Second", .authority = true}, nullptr);
  const std::string roots = file("roots.pem", authority_.pem());
  fs::create_directory(directory_ / "one");
  file("one/plain", second.pem());
  const std::vector<std::string> one{(directory_ / "one").string()};
  auto context = Context::create({.system_file = roots}, log_);
  ASSERT_TRUE(context.ok()) << context.error().text();
  EXPECT_TRUE(trusts(**context, authority_));
  EXPECT_FALSE(trusts(**context, second));
  context = Context::create({.system_paths = one}, log_);
  ASSERT_TRUE(context.ok()) << context.error().text();
  EXPECT_FALSE(trusts(**context, authority_));
  EXPECT_TRUE(trusts(**context, second));
  context = Context::create({.system_file = roots, .system_paths = one}, log_);
  ASSERT_TRUE(context.ok()) << context.error().text();
  EXPECT_TRUE(trusts(**context, authority_));
  EXPECT_TRUE(trusts(**context, second));
  EXPECT_EQ(sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store((*context)->get()))), 2);
}

TEST_F(ContextTest, VariablesThatNameNothingAreNoError) {
  const auto context = Context::create(
      {.system_file = "", .system_paths = std::vector<std::string>(), .file = file("a", authority_.pem())},
      log_);
  ASSERT_TRUE(context.ok()) << context.error().text();
  EXPECT_TRUE(trusts(**context, authority_));
  EXPECT_EQ(sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store((*context)->get()))), 1);
  EXPECT_THAT(log_.lines, IsEmpty());
}

TEST_F(ContextTest, AMissingFileIsAnError) {
  const auto context = Context::create({.system = false, .file = "/nowhere/at/all.pem"}, log_);
  ASSERT_FALSE(context.ok());
  EXPECT_EQ(context.error().text(), "cannot read /nowhere/at/all.pem: No such file or directory");
}

TEST_F(ContextTest, AFileWithoutCertificatesIsAnError) {
  const auto context = Context::create({.system = false, .file = file("text", "not a certificate\n")}, log_);
  ASSERT_FALSE(context.ok());
  EXPECT_THAT(context.error().text(), HasSubstr("no PEM certificates could be read from "));
}

TEST_F(ContextTest, TheSystemsRootsDoNotTrustOurAuthority) {
  const auto context = Context::create({}, log_);
  ASSERT_TRUE(context.ok()) << context.error().text();
  EXPECT_FALSE(trusts(**context, authority_));
}

TEST_F(ContextTest, FurtherRootsAddToTheSystems) {
  const auto context = Context::create({.file = file("roots.pem", authority_.pem())}, log_);
  ASSERT_TRUE(context.ok()) << context.error().text();
  EXPECT_TRUE(trusts(**context, authority_));
}

TEST_F(ContextTest, ForgottenRootsTrustNoServerAndEndNoSession) {
  const auto context = context_of(file("roots.pem", authority_.pem()));
  connect(*context, server_identity(authority_), "example.com");
  ASSERT_EQ(handshake(), Io::kDone);
  const auto session = std::move(session_);
  const auto server = std::move(server_);
  context->forget_roots();
  size_t size = 0;
  ASSERT_EQ(session->write(as_bytes("still here"), size), Io::kDone);
  ASSERT_EQ(session->flush(), Io::kDone);
  EXPECT_EQ(server->read(), "still here");
  EXPECT_FALSE(trusts(*context, authority_));
}

}  // namespace
}  // namespace localproxy::tls
