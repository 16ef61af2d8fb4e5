#include "tls/context.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <string_view>

#include "base/limits.h"
#include "base/path.h"
#include "tls/error.h"
#include "tls/free_with.h"
#include "tls/no_password.h"
#include "tls/root_index.h"

namespace localproxy::tls {
namespace {

// As c_rehash names certificates (1234abcd.0) and CRLs (1234abcd.r0): what OpenSSL looks for in a directory.
bool is_hash_name(std::string_view name) {
  static constexpr size_t kHash = 8;
  if (name.size() < kHash + 2 || name[kHash] != '.') return false;
  const size_t number = name[kHash + 1] == 'r' ? kHash + 2 : kHash + 1;
  return name.find_first_not_of("0123456789abcdef") == kHash && number < name.size() &&
         name.find_first_not_of("0123456789", number) == std::string_view::npos;
}

// What a context trusts.
struct TrustStore {
  X509_STORE* objects;  // CRLs, and certificates that the index does not take
  RootIndex& index;
};

// Why a file could not be read; `otherwise`: if not because of the system. Empties OpenSSL's queue.
Error unreadable(const std::string& path, const std::string& otherwise) {
  // The first error is the cause of the others.
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) return system_error("cannot read " + path, ERR_GET_REASON(code));
  return Error(otherwise);
}

// Adds every certificate and CRL of a PEM file.
Result<> load_file(const TrustStore& store, const std::string& path) {
  const bool indexed = store.index.add_file(path);
  ERR_clear_error();
  if (indexed) return {};
  if (X509_STORE_load_file(store.objects, path.c_str()) == 1) return {};
  return unreadable(path, "no PEM certificates could be read from " + path);
}

// Adds every CRL of a PEM file, and nothing else: its certificates are not trusted.
Result<> load_crls(X509_STORE* store, const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && status.st_size > limits::kMaxCrlFile)
    return Error(path + " has more than " + std::to_string(limits::kMaxCrlFile) + " bytes");
  const std::unique_ptr<BIO, FreeWith<BIO_free>> file(BIO_new_file(path.c_str(), "r"));
  size_t count = 0;
  while (file) {
    const std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>> crl(
        PEM_read_bio_X509_CRL(file.get(), nullptr, no_password, nullptr));
    if (!crl || X509_STORE_add_crl(store, crl.get()) != 1) break;
    ++count;
  }
  const bool complete = file && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (count == 0 || !complete)
    return unreadable(path, "no CRLs in PEM form could be read from " + path +
                                " (openssl crl -inform DER converts one in DER form)");
  ERR_clear_error();
  return {};
}

// Adds the certificates and CRLs of every file in a directory, or only of those that OpenSSL would look at.
// The result is the number of files that had any.
Result<size_t> load_directory(const TrustStore& store, const std::string& path, bool only_hashed, Log& log) {
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  if (!directory) return system_error("cannot read the certificate directory " + path, errno);
  size_t files = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string file = path + "/" + entry->d_name;
    const bool hashed = is_hash_name(entry->d_name);
    if ((only_hashed && !hashed) || !is_regular_file(file)) continue;
    auto loaded = load_file(store, file);
    if (loaded) ++files;
    // Other files may be there for another purpose.
    if (!loaded && hashed) log.warning("TLS: " + loaded.error().text());
  }
  return files;
}

// Loads one bundle, if there is one, instead of a hundred files with the same certificates.
Result<> load_default(const TrustStore& store, Log& log) {
  const std::string directory = X509_get_default_cert_dir();
  for (const std::string& file :
       {std::string(X509_get_default_cert_file()), directory + "/ca-certificates.crt",
        std::string("/etc/ssl/certs/ca-certificates.crt"), std::string("/etc/pki/tls/certs/ca-bundle.crt")}) {
    if (is_regular_file(file) && load_file(store, file)) return {};
  }
  auto files = load_directory(store, directory, false, log);
  if (!files) return files.error();
  if (*files == 0) return Error("no certificates in " + directory);
  return {};
}

// For SSL_CERT_FILE and SSL_CERT_DIR. A missing file is not an error, as in OpenSSL.
void load_named(const TrustStore& store, const Roots& roots, Log& log) {
  const std::string file = roots.system_file.value_or(X509_get_default_cert_file());
  if (is_regular_file(file)) {
    if (auto loaded = load_file(store, file); !loaded) log.warning("TLS: " + loaded.error().text());
  }
  const bool given = roots.system_paths.has_value();
  for (const std::string& path :
       given ? *roots.system_paths : std::vector<std::string>{X509_get_default_cert_dir()}) {
    auto files = load_directory(store, path, !given, log);
    if (!files) log.warning("TLS: " + files.error().text());
    if (given && files && *files == 0) log.warning("TLS: no PEM certificates in " + path);
  }
}

void load_system(const TrustStore& store, const Roots& roots, Log& log) {
  if (roots.system_file || roots.system_paths) return load_named(store, roots, log);
  if (auto loaded = load_default(store, log); !loaded) {
    log.warning("TLS: the system's root certificates are not usable: " + loaded.error().text() +
                " (is the package ca-certificates installed?)");
  }
}

Result<> load(const TrustStore& store, const Roots& roots, Log& log) {
  if (roots.system) load_system(store, roots, log);
  for (const std::string& path : roots.paths) {
    auto files = load_directory(store, path, false, log);
    if (!files) return files.error();
    if (*files == 0) log.warning("TLS: no PEM certificates in " + path);
  }
  return roots.file.empty() ? Result<>() : load_file(store, roots.file);
}

bool has_crls(X509_STORE* store) {
  STACK_OF(X509_OBJECT)* const objects = X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i)
    if (X509_OBJECT_get_type(sk_X509_OBJECT_value(objects, i)) == X509_LU_CRL) return true;
  return false;
}

}  // namespace

Result<std::unique_ptr<Context>> Context::create(const Roots& roots, Log& log, LeastVersion least) {
  std::unique_ptr<Context> context(new Context(SSL_CTX_new(TLS_client_method())));
  SSL_CTX* ctx = context->get();
  if (ctx == nullptr) return Error("TLS: " + openssl_reason());
  const int version = least == LeastVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  if (SSL_CTX_set_min_proto_version(ctx, version) != 1) return Error("TLS: " + openssl_reason());
  // For TLS 1.2: forward secrecy and authenticated encryption (RFC 9325, 4.2). TLS 1.3 has nothing else.
  if (SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
    return Error("TLS: " + openssl_reason());
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // One read takes all that the socket has, instead of one read for each record's header and one for its
  // body.
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, 64 * 1024);
  X509_STORE* const store = SSL_CTX_get_cert_store(ctx);
  RootIndex& index = RootIndex::attach(store);
  if (auto loaded = load({store, index}, roots, log); !loaded) return loaded.error();
  index.load_namesakes();
  context->requires_crl_ = !roots.crl_file.empty();
  if (context->requires_crl_) {
    if (auto loaded = load_crls(store, roots.crl_file); !loaded) return loaded.error();
  }
  // Checks every certificate of a chain. Session accepts those whose issuer has no CRL here.
  if (has_crls(store)) X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
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
