#include "tls/certificate_error.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <time.h>

#include <array>
#include <memory>
#include <string_view>

#include "base/log.h"
#include "base/utc.h"
#include "tls/free_with.h"

namespace localproxy::tls {
namespace {

// Bytes of a name, and of a list of names, that are shown; both are in one line of the log.
constexpr size_t kShownName = 160;
constexpr size_t kShownNames = 240;

std::string name_of(const X509_NAME* name) {
  char text[kShownName] = "?";
  if (name != nullptr) X509_NAME_oneline(name, text, sizeof text);
  return text;
}

std::string in_words(const Utc& time) {
  return date_text(time) + " " + padded(time.hour, 2) + ":" + padded(time.minute, 2) + " UTC";
}

std::string in_words(const ASN1_TIME* time) {
  tm read{};
  if (ASN1_TIME_to_tm(time, &read) != 1) return "?";
  return in_words({.year = read.tm_year + 1900,
                   .month = static_cast<unsigned>(read.tm_mon + 1),
                   .day = static_cast<unsigned>(read.tm_mday),
                   .hour = static_cast<unsigned>(read.tm_hour),
                   .minute = static_cast<unsigned>(read.tm_min),
                   .second = static_cast<unsigned>(read.tm_sec)});
}

std::string now() {
  return in_words(utc_of(::time(nullptr)));
}

std::string_view bytes_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

// A name or an address; "" for the other kinds, which are not compared with hosts.
std::string text_of(const GENERAL_NAME* name) {
  int type = 0;
  const auto* value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(name, &type));
  if (type == GEN_DNS) return std::string(bytes_of(value));
  if (type != GEN_IPADD) return "";
  const std::string_view address = bytes_of(value);
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.size() == sizeof(in_addr)) ::inet_ntop(AF_INET, address.data(), text, sizeof text);
  if (address.size() == sizeof(in6_addr)) ::inet_ntop(AF_INET6, address.data(), text, sizeof text);
  return text;
}

// "a.example, 127.0.0.1", cut when there are too many.
std::string names_of(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string list;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const std::string name = text_of(sk_GENERAL_NAME_value(names.get(), i));
    if (name.empty()) continue;
    if (!list.empty()) list += ", ";
    if (list.size() + name.size() > kShownNames) return list + "...";
    list += name;
  }
  return list;
}

std::string in_base64(const std::string& bytes) {
  std::string text((bytes.size() + 2) / 3 * 4, '\0');
  std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> encoded{};
  check(text.size() < encoded.size(), "more bytes than a digest has");
  EVP_EncodeBlock(encoded.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  text.assign(encoded.begin(), encoded.begin() + static_cast<std::ptrdiff_t>(text.size()));
  return text;
}

}  // namespace

std::string key_digest(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  check(size > 0, "a certificate without a public key");
  std::string digest(32, '\0');
  const int made = EVP_Digest(der, static_cast<size_t>(size), reinterpret_cast<unsigned char*>(digest.data()),
                              nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(der);
  check(made == 1, "SHA-256 is not available");
  return digest;
}

std::string CertificateError::wrong_key(const X509* certificate, const std::string& digest,
                                        const std::string& host) {
  return "the certificate for " + host + " was not accepted: its public key is sha256//" + in_base64(digest) +
         ", which --pin-sha256 does not name (subject " + name_of(X509_get_subject_name(certificate)) +
         ", issuer " + name_of(X509_get_issuer_name(certificate)) +
         "); if the service has a new key, and only then, name that one as well";
}

void CertificateError::record(X509_STORE_CTX* verification) {
  error_ = X509_STORE_CTX_get_error(verification);
  depth_ = X509_STORE_CTX_get_error_depth(verification);
  const X509_CRL* crl = X509_STORE_CTX_get0_current_crl(verification);
  if (crl != nullptr) crl_until_ = in_words(X509_CRL_get0_nextUpdate(crl));
  const X509* certificate = X509_STORE_CTX_get_current_cert(verification);
  if (certificate == nullptr) return;
  subject_ = name_of(X509_get_subject_name(certificate));
  issuer_ = name_of(X509_get_issuer_name(certificate));
  from_ = in_words(X509_get0_notBefore(certificate));
  until_ = in_words(X509_get0_notAfter(certificate));
  names_ = names_of(certificate);
}

std::string CertificateError::text(const std::string& host, const std::string& named_by) const {
  std::string text =
      "the certificate for " + host + " was not accepted: " + X509_verify_cert_error_string(error_);
  if (!subject_.empty()) {
    text += depth_ == 0 ? " (" : " (further up its chain: ";
    text += "subject " + subject_ + ", issuer " + issuer_ + ")";
  }
  switch (error_) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      text += "; connect by a name that the certificate has, with " + named_by;
      return names_.empty() ? text : text + ": " + names_;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return text + "; it was valid until " + until_ + ", and the clock of this machine says " + now() +
             ": set the clock if that is wrong, else the certificate has to be renewed";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return text + "; it is valid from " + from_ + ", and the clock of this machine says " + now() +
             ": set the clock if that is wrong";
    case X509_V_ERR_CERT_REVOKED:
      return text +
             "; a CRL of its issuer, in --crlfile or beside the root certificates, names it: whoever has it "
             "must get another";
    case X509_V_ERR_UNABLE_TO_GET_CRL:
      return text + "; the file of --crlfile has no CRL of that issuer: add it";
    case X509_V_ERR_CRL_HAS_EXPIRED:
      return text +
             "; the CRL of its issuer, in --crlfile or beside the root certificates, was valid until " +
             crl_until_ + ", and the clock of this machine says " + now() +
             ": put the issuer's current one in its place, or set the clock if that is wrong";
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
      return text +
             "; put the issuer's current CRL in the place of the one that is in --crlfile or beside the root "
             "certificates";
    default:
      return text + "; when its root is a private one, give the directory with -c, or its file with --cafile";
  }
}

}  // namespace localproxy::tls
