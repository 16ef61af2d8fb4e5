// What every TLS connection of a process shares: which certificates it trusts, which versions it speaks.
//
// Everything is loaded when it is made, before the sandbox: afterwards nothing can be opened.
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
  // What stands in for that store's file, and for its directories (SSL_CERT_FILE, SSL_CERT_DIR): as OpenSSL
  // has it, one of them leaves the other's place as it is.
  std::optional<std::string> system_file;
  std::optional<std::vector<std::string>> system_paths;
  std::vector<std::string> paths;  // further directories; every file in them that holds PEM certificates
  std::string file;                // a further file, or empty
};

// Revocation lists (CRLs) that lie in these places are honoured: whoever they name is not trusted. An
// authority without one is.
class Context {
 public:
  static Result<std::unique_ptr<Context>> create(const Roots& roots, Log& log);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  ssl_ctx_st* get() const { return context_; }
  // Gives the memory of the trusted certificates back, which is most of what an idle process would keep.
  void forget_roots();

 private:
  explicit Context(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

}  // namespace localproxy::tls
