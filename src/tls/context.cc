#include "tls/context.h"

#include <dirent.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include "tls/error.h"

namespace localproxy::tls {
namespace {

bool is_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

// Adds every certificate of a PEM file.
bool load_file(X509_STORE* store, const std::string& path) {
  const bool loaded = X509_STORE_load_file(store, path.c_str()) == 1;
  ERR_clear_error();
  return loaded;
}

// Adds the certificates of every file in a directory; how many files had some.
Result<size_t> load_directory(X509_STORE* store, const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  if (!directory) return system_error("cannot read the certificate directory " + path, errno);
  size_t files = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string file = path + "/" + entry->d_name;
    if (is_file(file) && load_file(store, file)) ++files;
  }
  return files;
}

Result<> load_system(X509_STORE* store) {
  // One bundle, when there is one, instead of a hundred files with the same certificates in them.
  const std::string directory = X509_get_default_cert_dir();
  for (const std::string& file :
       {std::string(X509_get_default_cert_file()), directory + "/ca-certificates.crt",
        std::string("/etc/ssl/certs/ca-certificates.crt"), std::string("/etc/pki/tls/certs/ca-bundle.crt")}) {
    if (is_file(file) && load_file(store, file)) return {};
  }
  auto files = load_directory(store, directory);
  if (!files) return files.error();
  if (*files == 0) return Error("no certificates in " + directory);
  return {};
}

Result<> load(X509_STORE* store, const Roots& roots, Log& log) {
  if (roots.system) {
    if (auto loaded = load_system(store); !loaded) {
      log.warning("TLS: the system's root certificates are not usable: " + loaded.error().text() +
                  " (is the package ca-certificates installed?)");
    }
  }
  for (const std::string& path : roots.paths) {
    auto files = load_directory(store, path);
    if (!files) return files.error();
    if (*files == 0) log.warning("TLS: no PEM certificates in " + path);
  }
  if (!roots.file.empty() && !load_file(store, roots.file)) {
    return Error("no PEM certificates could be read from " + roots.file);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Context>> Context::create(const Roots& roots, Log& log) {
  std::unique_ptr<Context> context(new Context(SSL_CTX_new(TLS_client_method())));
  SSL_CTX* ctx = context->get();
  if (ctx == nullptr) return Error("TLS: " + openssl_reason());
  if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) return Error("TLS: " + openssl_reason());
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // One read of the socket takes what is there, instead of one for each record's head and one for its body.
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, 64 * 1024);
  if (auto loaded = load(SSL_CTX_get_cert_store(ctx), roots, log); !loaded) return loaded.error();
  return context;
}

Context::~Context() {
  SSL_CTX_free(context_);
}

void Context::forget_roots() {
  SSL_CTX_set_cert_store(context_, X509_STORE_new());
  ::malloc_trim(0);
}

}  // namespace localproxy::tls
