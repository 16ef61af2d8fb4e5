// The options and variables that choose what TLS accepts: root certificates, CRLs, public keys, versions.
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

TEST(CertificatesTest, AFileOfCrlsIsAPlainFile) {
  const TemporaryDirectory directory(TemporaryDirectory::Enter::kYes);
  directory.write("crl.pem", "");
  EXPECT_EQ(config_of(with_basics({"-s", "1", "--crlfile", "crl.pem"})).crl_file, directory.path("crl.pem"));
  EXPECT_EQ(config_of(kSource).crl_file, "");
  EXPECT_EQ(error_of(with_basics({"-s", "1", "--crlfile", "/"})), "--crlfile '/': Is a directory");
  EXPECT_EQ(error_of(with_basics({"-s", "1", "--crlfile", "/nowhere"})),
            "--crlfile '/nowhere': No such file or directory");
}

TEST(CertificatesTest, TheLeastVersionIsOneOfTwo) {
  EXPECT_FALSE(config_of(kSource).only_tls13);
  EXPECT_FALSE(config_of(with_basics({"-s", "1", "--tls-min", "1.2"})).only_tls13);
  EXPECT_TRUE(config_of(with_basics({"-s", "1", "--tls-min", "1.3"})).only_tls13);
  for (const char* version : {"1", "1.1", "1.4", "13", "TLSv1.3", "1.3 "})
    EXPECT_EQ(error_of(with_basics({"-s", "1", "--tls-min", version})),
              "--tls-min '" + std::string(version) + "': the versions of TLS are 1.2 and 1.3");
}

// ---- public keys ----

// SHA-256 sums of "a" and of nothing.
const std::string kPin = "sha256//ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=";
const std::string kOtherPin = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

TEST(CertificatesTest, PublicKeysAreGivenAsForCurl) {
  const std::string digest =
      "\xca\x97\x81\x12\xca\x1b\xbd\xca\xfa\xc2\x31\xb3\x9a\x23\xdc\x4d"
      "\xa7\x86\xef\xf8\x14\x7c\x4e\x72\xb9\x80\x77\x85\xaf\xee\x48\xbb";
  EXPECT_TRUE(config_of(kSource).pins.empty());
  EXPECT_EQ(config_of(with_basics({"-s", "1", "--pin-sha256", kPin})).pins, std::vector<std::string>{digest});
  const Config several = config_of(
      with_basics({"-s", "1", "--pin-sha256", kPin + "; " + kOtherPin + ";", "--pin-sha256", kPin}));
  ASSERT_EQ(several.pins.size(), 3u);
  EXPECT_EQ(several.pins[0], digest);
  EXPECT_EQ(several.pins[1].substr(0, 2), "\xe3\xb0");
  EXPECT_EQ(several.pins[2], digest);
}

TEST(CertificatesTest, OtherTextsAreNoPublicKeys) {
  std::string no_padding = kPin;
  no_padding.pop_back();
  std::string stray_bits = kPin;
  stray_bits[stray_bits.size() - 2] = 't';
  for (const std::string& text :
       Words{kPin.substr(8), "sha1//" + kPin.substr(8), no_padding, kPin + "=", stray_bits, kPin + kOtherPin,
             "sha256//", std::string("sha256//") + std::string(44, '-'), "/etc/ssl/key.pem", kPin + ",x"}) {
    const std::string error = error_of(with_basics({"-s", "1", "--pin-sha256", text}));
    EXPECT_EQ(error.find("--pin-sha256: "), 0u) << error;
    EXPECT_NE(error.find("is not 'sha256//' with the 44 characters"), std::string::npos) << error;
  }
  EXPECT_EQ(error_of(with_basics({"-s", "1", "--pin-sha256", ";"})),
            "--pin-sha256: there is no public key in it");
}

TEST(CertificatesTest, PublicKeysAreBounded) {
  Words words = kSource;
  for (size_t i = 0; i < limits::kMaxPins; ++i)
    words.insert(words.end(), {"--pin-sha256", kPin});
  EXPECT_EQ(config_of(words).pins.size(), limits::kMaxPins);
  words.back() += ";" + kPin;
  EXPECT_EQ(error_of(words), "--pin-sha256: more than 16 public keys");
}

}  // namespace
}  // namespace localproxy::config
