#include "tls/name_constraints.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>

#include "tls/free_with.h"

namespace localproxy::tls {
namespace {

using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;

// The same certificate for that host alone; null: no memory.
Certificate with_name(const X509* certificate, const std::string& host) {
  Certificate copy(X509_dup(certificate));
  const std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>> names(GENERAL_NAMES_new());
  GENERAL_NAME* const name = a2i_GENERAL_NAME(nullptr, nullptr, nullptr, GEN_DNS, host.c_str(), 0);
  if (name == nullptr || !names || sk_GENERAL_NAME_push(names.get(), name) <= 0) {
    GENERAL_NAME_free(name);
    return nullptr;
  }
  const bool done =
      copy && X509_add1_ext_i2d(copy.get(), NID_subject_alt_name, names.get(), 0, X509V3_ADD_REPLACE) == 1;
  if (!done) return nullptr;
  // NAME_CONSTRAINTS_check() looks at what this decodes.
  X509_check_purpose(copy.get(), -1, 0);
  return copy;
}

}  // namespace

int check_name_constraints(X509_STORE_CTX* verification, const std::string& host) {
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(verification);
  Certificate leaf;
  for (int i = 1; i < sk_X509_num(chain); ++i) {
    const std::unique_ptr<NAME_CONSTRAINTS, FreeWith<NAME_CONSTRAINTS_free>> constraints(
        static_cast<NAME_CONSTRAINTS*>(
            X509_get_ext_d2i(sk_X509_value(chain, i), NID_name_constraints, nullptr, nullptr)));
    // OpenSSL has refused a chain with constraints that cannot be decoded.
    if (!constraints) continue;
    if (!leaf) leaf = with_name(sk_X509_value(chain, 0), host);
    if (!leaf) return X509_V_ERR_OUT_OF_MEM;
    if (const int error = NAME_CONSTRAINTS_check(leaf.get(), constraints.get()); error != X509_V_OK)
      return error;
  }
  return X509_V_OK;
}

}  // namespace localproxy::tls
