// The options and variables that choose the root certificates.
#include "config/certificates.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "config/describe.h"
#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using test::config_of;
using test::contains;
using test::error_of;
using test::run_of;
using test::TemporaryDirectory;
using test::warnings_of;
using test::with_basics;
using test::Words;

const Words kSource = with_basics({"-s", "1"});

TEST(CertificatesTest, AFileThatCanBeReadOnlyOnceIsRefused) {
  const TemporaryDirectory directory;
  const std::string pipe = directory.path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string reason = " '" + pipe + "': this is not a plain file; certificates are read anew for each";
  EXPECT_EQ(error_of(with_basics({"-s", "1", "--cafile", pipe})).find("--cafile" + reason), 0U);
  EXPECT_EQ(error_of(kSource, {{"SSL_CERT_FILE", pipe}}).find("SSL_CERT_FILE" + reason), 0U);
}

TEST(CertificatesTest, MoreDirectoriesThanOneMessageHoldsAreRefused) {
  Words words = kSource;
  std::string list;
  for (size_t i = 0; i <= limits::kMaxCaPaths; ++i) {
    words.insert(words.end(), {"-c", "/"});
    list += "/:";
  }
  EXPECT_EQ(error_of(words), "--capath: more than 8 directories");
  EXPECT_EQ(error_of(kSource, {{"SSL_CERT_DIR", list}}),
            "SSL_CERT_DIR and --capath: more than 8 directories together");
}

TEST(CertificatesTest, OpensslVariablesAreUsed) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("roots.pem", "");
  const Config config =
      config_of(kSource, {{"SSL_CERT_FILE", file}, {"SSL_CERT_DIR", "/:" + directory.path() + "::"}});
  EXPECT_EQ(config.cert_file, file);
  EXPECT_EQ(config.cert_paths, (std::vector<std::string>{"/", directory.path()}));
  const Config empty = config_of(kSource, {{"SSL_CERT_FILE", ""}, {"SSL_CERT_DIR", ""}});
  EXPECT_FALSE(empty.cert_file.has_value());
  EXPECT_FALSE(empty.cert_paths.has_value());
}

TEST(CertificatesTest, TheFilesOfTheVariablesMayBeMissing) {
  const struct Run run = run_of(kSource, {{"SSL_CERT_FILE", "/nowhere/a"}, {"SSL_CERT_DIR", "/nowhere/b"}});
  EXPECT_EQ(run.config.cert_file, "");
  EXPECT_EQ(run.config.cert_paths, std::vector<std::string>());
  EXPECT_TRUE(contains(warnings_of(run.diagnostics), "SSL_CERT_FILE '/nowhere/a' is not there"));
  EXPECT_TRUE(contains(warnings_of(run.diagnostics), "SSL_CERT_DIR '/nowhere/b' is not there"));
}

TEST(CertificatesTest, TheVariablesAreDescribed) {
  const auto described = [](const test::Variables& variables) {
    const std::string text = describe(config_of(kSource, variables));
    return text.substr(text.find("trusts"), text.find("access token") - text.find("trusts"));
  };
  EXPECT_EQ(described({}), "trusts: the system's root certificates\n");
  EXPECT_EQ(described({{"SSL_CERT_DIR", "/"}}),
            "trusts: the system's file of root certificates\ntrusts: the certificates in / (SSL_CERT_DIR)\n");
}

}  // namespace
}  // namespace localproxy::config
