// The certificate and the key for an https web proxy.
#include "config/client_certificate.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/limits.h"
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

std::string block(const std::string& label, const std::string& body) {
  return "-----BEGIN " + label + "-----\n" + body + "\n-----END " + label + "-----\n";
}

const std::string kOwn = block("CERTIFICATE", "T1dO");
const std::string kIssuer = block("CERTIFICATE", "SVNT\nVUVS");
const std::string kKey = block("PRIVATE KEY", "U0VDUkVU");

class ClientCertificateTest : public testing::Test {
 protected:
  std::string private_file(const std::string& name, const std::string& content) {
    const std::string path = directory_.write(name, content);
    EXPECT_EQ(::chmod(path.c_str(), 0600), 0);
    return path;
  }
  // The error for one file with both.
  std::string error_with(const std::string& content) {
    const std::string path = private_file("both.pem", content);
    const std::string error = error_of(with_basics({"-s", "1", "--proxy-cert", path}), kProxy);
    const std::string start = "--proxy-cert: '" + path + "': ";
    EXPECT_EQ(error.find(start), 0u) << error;
    EXPECT_EQ(error.find("U0VDUkVU"), std::string::npos) << error;
    return error.substr(start.size());
  }

  const TemporaryDirectory directory_{TemporaryDirectory::Enter::kYes};
  const test::Variables kProxy{{"https_proxy", "https://proxy.example:3129"}};
};

TEST_F(ClientCertificateTest, OneFileMayHoldBoth) {
  const std::string path = private_file("both.pem", "A note\n" + kKey + "\n" + kOwn + "More\n" + kIssuer);
  const auto run = run_of(with_basics({"-s", "1", "--proxy-cert", "both.pem"}), kProxy);
  const ClientCertificate& own = run.config.proxy_certificate;
  EXPECT_EQ(own.file, path);
  EXPECT_EQ(own.key_file, path);
  EXPECT_EQ(own.chain, kOwn + kIssuer);
  EXPECT_EQ(std::string(own.key.reveal()) + "\n", kKey);
  EXPECT_FALSE(contains(warnings_of(run.diagnostics), "--proxy-cert"));
}

TEST_F(ClientCertificateTest, TheKeyMayBeInAnotherFile) {
  const std::string path = directory_.write("own.pem", kOwn + kKey);
  for (const char* label : {"RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"}) {
    const std::string key = block(label, "T1RIRVI=");
    const std::string key_path = private_file("key.pem", block("EC PARAMETERS", "AA==") + key + kKey);
    const Config config =
        config_of(with_basics({"-s", "1", "--proxy-cert", path, "--proxy-key", key_path}), kProxy);
    EXPECT_EQ(config.proxy_certificate.chain, kOwn);
    EXPECT_EQ(std::string(config.proxy_certificate.key.reveal()) + "\n", key);
    const std::string text = describe(config);
    EXPECT_NE(
        text.find("shows an https web proxy: the certificate in " + path + ", with the key in " + key_path),
        std::string::npos)
        << text;
    EXPECT_EQ(text.find("T1RI"), std::string::npos);
  }
}

TEST_F(ClientCertificateTest, AKeyThatEverybodyMayReadIsWarnedAbout) {
  const std::string path = directory_.write("both.pem", kOwn + kKey);
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  const auto run = run_of(with_basics({"-s", "1", "--proxy-cert", path}), kProxy);
  EXPECT_TRUE(contains(warnings_of(run.diagnostics),
                       "--proxy-cert '" + path + "' holds a private key and can be read"));
}

TEST_F(ClientCertificateTest, AnEncryptedKeyIsRefused) {
  for (const std::string& key :
       {block("ENCRYPTED PRIVATE KEY", "U0VDUkVU"),
        block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nU0VDUkVU")}) {
    const std::string error = error_with(kOwn + key);
    EXPECT_EQ(error.find("the private key is encrypted, and nobody is there to be asked"), 0u) << error;
    EXPECT_NE(error.find("openssl pkey -in FILE -out FILE"), std::string::npos) << error;
  }
}

TEST_F(ClientCertificateTest, WhatIsMissingOrDamagedIsNamed) {
  EXPECT_EQ(error_with(kKey), "there is no certificate in PEM form");
  EXPECT_EQ(error_with(""), "there is no certificate in PEM form");
  EXPECT_EQ(error_with("-----BEGIN CERTIFICATE-----\nT1dO\n"), "there is no certificate in PEM form");
  EXPECT_EQ(error_with("-----BEGIN CERTIFICATE"), "there is no certificate in PEM form");
  EXPECT_EQ(error_with(block("CERTIFICATE", "") + kKey), "a certificate is damaged");
  EXPECT_EQ(error_with(block("CERTIFICATE", "T1*N") + kKey), "a certificate is damaged");
  const std::string no_key = "there is no private key in PEM form; --proxy-key names the file that has it";
  EXPECT_EQ(error_with(kOwn), no_key);
  EXPECT_EQ(error_with(kOwn + block("PUBLIC KEY", "U0VDUkVU")), no_key);
  EXPECT_EQ(error_with(kOwn + block("PRIVATE KEY", "Version: 1\n\nU0VDUkVU")), "the private key is damaged");
}

TEST_F(ClientCertificateTest, SizesAreBounded) {
  const std::string long_block = block("CERTIFICATE", std::string(4'000, 'A'));
  EXPECT_EQ(error_with(long_block + long_block + long_block + long_block + long_block + kKey),
            "the certificates have more than 16384 bytes");
  EXPECT_EQ(error_with(kOwn + block("PRIVATE KEY", std::string(limits::kMaxClientKey, 'A'))),
            "the private key has more than 8192 bytes");
  EXPECT_NE(error_with(kOwn + kKey + std::string(65'536, ' ')).find("there are more than 65536 bytes"),
            std::string::npos);
}

TEST_F(ClientCertificateTest, AKeyNeedsACertificate) {
  EXPECT_EQ(error_of(with_basics({"-s", "1", "--proxy-key", private_file("key.pem", kKey)})),
            "--proxy-key is of no use without --proxy-cert");
}

TEST_F(ClientCertificateTest, AFileThatCannotBeReadIsNamed) {
  const std::string path = directory_.write("own.pem", kOwn);
  EXPECT_EQ(error_of(with_basics({"-s", "1", "--proxy-cert", path, "--proxy-key", "/nowhere"})),
            "--proxy-key: '/nowhere': No such file or directory");
  EXPECT_EQ(error_of(with_basics({"-s", "1", "--proxy-cert", "-"})),
            "--proxy-cert: '" + directory_.path("-") + "': No such file or directory");
}

TEST_F(ClientCertificateTest, OnlyAnHttpsWebProxyIsShownOne) {
  const Words words = with_basics({"-s", "1", "--proxy-cert", private_file("both.pem", kOwn + kKey)});
  for (const test::Variables& variables :
       {test::Variables{}, test::Variables{{"https_proxy", "http://proxy.example:3128"}},
        test::Variables{{"https_proxy", "https://proxy.example"}, {"no_proxy", "*"}}}) {
    const auto run = run_of(words, variables);
    EXPECT_TRUE(contains(warnings_of(run.diagnostics), "--proxy-cert is not used"));
    EXPECT_TRUE(run.config.proxy_certificate.chain.empty());
    EXPECT_TRUE(run.config.proxy_certificate.key.empty());
  }
}

}  // namespace
}  // namespace localproxy::config
