// Root certificates that are made objects only when a verification asks for them: the trust is the same as if
// OpenSSL had read every file.
#include "tls/root_index.h"

#include <gmock/gmock.h>

#include "tests/unit/tls/fixture.h"

namespace localproxy::tls {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

using Store = std::unique_ptr<X509_STORE, FreeWith<X509_STORE_free>>;

std::string pem_of(const std::string& name, const std::string& der) {
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio(memory, name.c_str(), "", reinterpret_cast<const uint8_t*>(der.data()),
                static_cast<long>(der.size()));
  std::string text(BIO_ctrl_pending(memory), '\0');
  BIO_read(memory, text.data(), static_cast<int>(text.size()));
  BIO_free(memory);
  return text;
}

std::string der_of(const X509* certificate) {
  uint8_t* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  std::string der(as_text({bytes, static_cast<size_t>(size)}));
  OPENSSL_free(bytes);
  return der;
}

class RootIndexTest : public test::Fixture {
 protected:
  test::Identity root(const std::string& name) {
    return test::issue({.common_name = name, .authority = true, .key_ids = true}, nullptr);
  }
  bool trusts(const Context& context, const test::Identity& authority) {
    connect(context,
            test::issue({.common_name = "x", .alternative_names = "DNS:example.com", .key_ids = true},
                        &authority),
            "example.com");
    return handshake() == Io::kDone;
  }
  std::unique_ptr<Context> of_directory() {
    auto context = Context::create({.system = false, .paths = {directory_}}, log_);
    EXPECT_TRUE(context.ok()) << context.error().text();
    return std::move(*context);
  }
  // Certificates and CRLs that OpenSSL has as objects.
  int objects(const Context& context) {
    return sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store(context.get())));
  }
};

TEST_F(RootIndexTest, OnlyTheAuthorityOfAServerIsMadeAnObject) {
  const test::Identity second = root("Second");
  const auto context = context_of(file("roots.pem", authority_.pem() + second.pem() + root("Third").pem()));
  EXPECT_EQ(objects(*context), 0);
  EXPECT_TRUE(trusts(*context, second));
  EXPECT_TRUE(trusts(*context, second));
  EXPECT_EQ(objects(*context), 1);
}

TEST_F(RootIndexTest, ACertificateOfSeveralFilesIsOne) {
  file("one", authority_.pem());
  file("two", authority_.pem() + authority_.pem());
  const auto context = of_directory();
  EXPECT_TRUE(trusts(*context, authority_));
  EXPECT_EQ(objects(*context), 1);
}

TEST_F(RootIndexTest, TwoAuthoritiesWithTheSameNameAreBothTrusted) {
  const test::Identity first = root("Namesake");
  const test::Identity second = root("Namesake");
  const auto context = context_of(file("roots.pem", first.pem() + second.pem()));
  EXPECT_TRUE(trusts(*context, first));
  EXPECT_TRUE(trusts(*context, second));
  EXPECT_FALSE(trusts(*context, root("Namesake")));
}

TEST_F(RootIndexTest, AnAuthorityBesideACrlDoesNotHideItsNamesake) {
  const test::Identity first = root("Namesake");
  const test::Identity second = root("Namesake");
  file("with-a-crl.pem", first.pem() + test::crl_of(root("Other"), {}));
  file("plain.pem", second.pem());
  const auto context = of_directory();
  EXPECT_TRUE(trusts(*context, first));
  EXPECT_TRUE(trusts(*context, second));
}

TEST_F(RootIndexTest, AnExpiredAuthorityDoesNotHideItsRenewal) {
  test::Identity expired = test::issue(
      {.common_name = "Test Authority", .authority = true, .days_from = -9, .days_to = -2}, nullptr);
  const auto context = context_of(file("roots.pem", expired.pem() + authority_.pem()));
  EXPECT_TRUE(trusts(*context, authority_));
}

TEST_F(RootIndexTest, NamesWithTheSameHashAreToldApart) {
  const test::Identity one = root("Collision 4444");
  const test::Identity other = root("Collision 59006");
  ASSERT_EQ(X509_subject_name_hash(one.certificate.get()), X509_subject_name_hash(other.certificate.get()));
  const auto context = context_of(file("roots.pem", one.pem() + other.pem()));
  EXPECT_TRUE(trusts(*context, other));
  EXPECT_EQ(objects(*context), 1);
  EXPECT_TRUE(trusts(*context, one));
  const auto one_only = context_of(file("one.pem", one.pem()));
  EXPECT_FALSE(trusts(*one_only, other));
  EXPECT_EQ(objects(*one_only), 0);
}

TEST_F(RootIndexTest, AFileWithABrokenCertificateIsSkippedAndOthersCount) {
  const test::Identity good = root("Good");
  file("broken.pem", authority_.pem() + pem_of("CERTIFICATE", "nonsense"));
  file("cut.pem", authority_.pem() + root("Cut").pem().substr(0, 200));
  file("good.pem", good.pem());
  const auto context = of_directory();
  EXPECT_TRUE(trusts(*context, good));
  EXPECT_FALSE(trusts(*context, authority_));
  EXPECT_THAT(log_.lines, IsEmpty());
}

TEST_F(RootIndexTest, ACertificateInDerIsNoPem) {
  const auto context = Context::create(
      {.system = false, .file = file("root.der", der_of(authority_.certificate.get()))}, log_);
  ASSERT_FALSE(context.ok());
  EXPECT_THAT(context.error().text(), HasSubstr("no PEM certificates could be read from "));
}

TEST_F(RootIndexTest, OtherPemBlocksBesideCertificatesAreAsToOpenssl) {
  const test::Identity old = root("Old");
  const std::string der = der_of(old.certificate.get());
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(memory, authority_.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  const test::Identity distrusted = root("Distrusted");
  X509_add1_reject_object(distrusted.certificate.get(), OBJ_nid2obj(NID_server_auth));
  PEM_write_bio_X509_AUX(memory, distrusted.certificate.get());
  std::string text(BIO_ctrl_pending(memory), '\0');
  BIO_read(memory, text.data(), static_cast<int>(text.size()));
  BIO_free(memory);
  const auto context =
      context_of(file("roots.pem", authority_.pem() + text + pem_of("X509 CERTIFICATE", der) +
                                       pem_of("SOMETHING ELSE", "nonsense")));
  EXPECT_TRUE(trusts(*context, authority_));
  EXPECT_TRUE(trusts(*context, old));
  EXPECT_FALSE(trusts(*context, distrusted));
}

// Each byte of a certificate changed in three ways, and the certificate cut there.
TEST_F(RootIndexTest, ABrokenCertificateIsRefusedExactlyWhenOpensslRefusesIt) {
  const std::string good = der_of(authority_.certificate.get());
  const std::string path = (directory_ / "root.pem").string();
  size_t refused = 0;
  const auto compare = [&](const std::string& der) {
    file("root.pem", pem_of("CERTIFICATE", der));
    const Store store(X509_STORE_new());
    const bool taken = X509_STORE_load_file(store.get(), path.c_str()) == 1;
    refused += taken ? 0 : 1;
    return Context::create({.system = false, .file = path}, log_).ok() == taken;
  };
  ASSERT_TRUE(compare(good));
  ASSERT_EQ(refused, 0U);
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int change : {0x01, 0x20, 0xff}) {
      std::string der = good;
      der[i] = static_cast<char>(der[i] ^ change);
      EXPECT_TRUE(compare(der)) << "byte " << i << " changed by " << change;
    }
    EXPECT_TRUE(compare(good.substr(0, i))) << "cut at byte " << i;
  }
  EXPECT_GT(refused, good.size());
}

}  // namespace
}  // namespace localproxy::tls
