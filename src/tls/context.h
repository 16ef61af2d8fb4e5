// What every TLS connection of a process shares: which certificates it trusts, which versions it speaks.
//
// Everything is loaded by create(), before the sandbox: afterwards no file can be opened.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"

struct ssl_ctx_st;

namespace localproxy::tls {

struct Roots {
  bool system = true;  // the store that OpenSSL was built for
  // Replacements for that store's file and directories (SSL_CERT_FILE, SSL_CERT_DIR). As in OpenSSL, setting
  // one leaves the other at its default.
  std::optional<std::string> system_file;
  std::optional<std::vector<std::string>> system_paths;
  std::vector<std::string> paths;  // further directories; every file in them that holds PEM certificates
  std::string file;                // a further file, or empty
  std::string crl_file;            // of CRLs alone (--crlfile), or empty
};

enum class LeastVersion : uint8_t { kTls12, kTls13 };

// Certificate revocation lists (CRLs) in these places are honoured for every certificate of a chain. An
// authority without a CRL is trusted, but with Roots::crl_file the issuer of a server's own certificate needs
// one: a file that does not fit would otherwise check nothing.
class Context {
 public:
  static Result<std::unique_ptr<Context>> create(const Roots& roots, Log& log,
                                                 LeastVersion least = LeastVersion::kTls12);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  ssl_ctx_st* get() const { return context_; }
  // Whether the issuer of a server's certificate must have a CRL.
  bool requires_crl() const { return requires_crl_; }
  // Frees the trusted certificates. An idle process needs none.
  void forget_roots();

 private:
  explicit Context(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
  bool requires_crl_ = false;
};

}  // namespace localproxy::tls
