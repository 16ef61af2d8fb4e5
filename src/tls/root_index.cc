#include "tls/root_index.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "tls/free_with.h"

namespace localproxy::tls {
namespace {

using Name = std::unique_ptr<X509_NAME, FreeWith<X509_NAME_free>>;

// ---- certificates as bytes ----

// A value that fills all of `der`; null: there is none.
template <auto Read, typename Value>
Value value_of(Bytes der) {
  const uint8_t* at = der.data();
  Value value(Read(nullptr, &at, static_cast<long>(der.size())));
  if (at != der.data() + der.size()) value.reset();
  return value;
}

template <auto Read, auto Free>
bool holds(Bytes der) {
  const uint8_t* at = der.data();
  auto* const value = Read(nullptr, &at, static_cast<long>(der.size()));
  Free(value);
  return value != nullptr && at == der.data() + der.size();
}

void free_elements(ASN1_SEQUENCE_ANY* elements) {
  sk_ASN1_TYPE_pop_free(elements, ASN1_TYPE_free);
}

void free_extensions(X509_EXTENSIONS* extensions) {
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

// The elements of a SEQUENCE.
class Elements {
 public:
  explicit Elements(Bytes der) : elements_(value_of<d2i_ASN1_SEQUENCE_ANY, Pointer>(der)) {
    // Unlike d2i_X509(), that function ignores this bit.
    if (!der.empty() && (der.front() & V_ASN1_CONSTRUCTED) == 0) elements_.reset();
  }

  int count() const { return sk_ASN1_TYPE_num(elements_.get()); }
  // V_ASN1_OTHER: a tagged one; -1: there is none.
  int type(int number) const {
    return number < count() ? ASN1_TYPE_get(sk_ASN1_TYPE_value(elements_.get(), number)) : -1;
  }
  // A SEQUENCE, or a tagged element, with its header.
  Bytes bytes(int number) const {
    const int kind = type(number);
    if (kind != V_ASN1_SEQUENCE && kind != V_ASN1_OTHER) return {};
    const ASN1_STRING* const string = sk_ASN1_TYPE_value(elements_.get(), number)->value.asn1_string;
    return {ASN1_STRING_get0_data(string), static_cast<size_t>(ASN1_STRING_length(string))};
  }

 private:
  using Pointer = std::unique_ptr<ASN1_SEQUENCE_ANY, FreeWith<free_elements>>;
  Pointer elements_;
};

bool is_algorithm(Bytes der) {
  return holds<d2i_X509_ALGOR, X509_ALGOR_free>(der);
}

// Extensions with their tag, [3].
bool is_extensions(Bytes der) {
  const uint8_t* at = der.data();
  long size = 0;
  int tag = 0;
  int kind = 0;
  if (ASN1_get_object(&at, &size, &tag, &kind, static_cast<long>(der.size())) != V_ASN1_CONSTRUCTED)
    return false;
  if (kind != V_ASN1_CONTEXT_SPECIFIC || tag != 3) return false;
  return holds<d2i_X509_EXTENSIONS, free_extensions>(
      der.last(static_cast<size_t>(der.data() + der.size() - at)));
}

// The key itself stays undecoded. That is what saves the time.
bool is_public_key(Bytes der) {
  const Elements key(der);
  return key.count() == 2 && is_algorithm(key.bytes(0)) && key.type(1) == V_ASN1_BIT_STRING;
}

// The hash of the subject of a certificate in which d2i_X509() would find no fault. Nothing for one with
// fields that are rare (RFC 5280, 4.1), such as unique ids, even if d2i_X509() takes it.
std::optional<unsigned long> subject_hash(Bytes der) {
  static constexpr std::array<uint8_t, 5> kVersion3{0xa0, 3, 2, 1, 2};  // [0], an INTEGER
  const Elements certificate(der);
  if (certificate.count() != 3 || !is_algorithm(certificate.bytes(1)) ||
      certificate.type(2) != V_ASN1_BIT_STRING)
    return std::nullopt;
  const Elements signed_part(certificate.bytes(0));
  const bool has_version = std::ranges::equal(signed_part.bytes(0), kVersion3);
  int next = has_version ? 1 : 0;
  if (signed_part.type(next++) != V_ASN1_INTEGER || !is_algorithm(signed_part.bytes(next++)))
    return std::nullopt;
  const Bytes issuer = signed_part.bytes(next++);
  const Bytes validity = signed_part.bytes(next++);
  const Bytes subject = signed_part.bytes(next++);
  const Bytes key = signed_part.bytes(next++);
  const bool has_extensions = has_version && signed_part.count() > next;
  if (signed_part.count() != next + (has_extensions ? 1 : 0)) return std::nullopt;
  const Name name = value_of<d2i_X509_NAME, Name>(subject);
  const bool intact = name && holds<d2i_X509_VAL, X509_VAL_free>(validity) && is_public_key(key) &&
                      (std::ranges::equal(issuer, subject) || holds<d2i_X509_NAME, X509_NAME_free>(issuer)) &&
                      (!has_extensions || is_extensions(signed_part.bytes(next)));
  if (!intact) return std::nullopt;
  int hashed = 0;
  const unsigned long hash = X509_NAME_hash_ex(name.get(), nullptr, nullptr, &hashed);
  return hashed == 1 ? std::optional(hash) : std::nullopt;
}

// ---- PEM ----

struct PemBlock {
  std::string name;
  bool encrypted = false;
  std::string data;
};

// Nothing at the end of the file, or where it is broken.
std::optional<PemBlock> read_block(BIO* file) {
  char* name = nullptr;
  char* header = nullptr;
  uint8_t* data = nullptr;
  long size = 0;
  if (PEM_read_bio(file, &name, &header, &data, &size) != 1) return std::nullopt;
  PemBlock block{name, *header != '\0', std::string(as_text({data, static_cast<size_t>(size)}))};
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  return block;
}

// Whether X509_STORE_load_file() takes a block of that name for a certificate with nothing else to it.
bool is_certificate(const PemBlock& block) {
  return !block.encrypted && (block.name == PEM_STRING_X509 || block.name == PEM_STRING_X509_OLD);
}

// ---- how OpenSSL asks ----

RootIndex* index_of(X509_LOOKUP* lookup) {
  return static_cast<RootIndex*>(X509_LOOKUP_get_method_data(lookup));
}

int on_lookup(X509_LOOKUP* lookup, X509_LOOKUP_TYPE type, const X509_NAME* subject, X509_OBJECT* found) {
  if (type != X509_LU_X509) return 0;
  index_of(lookup)->load(subject);
  STACK_OF(X509_OBJECT)* const objects = X509_STORE_get0_objects(X509_LOOKUP_get_store(lookup));
  X509* const certificate = X509_OBJECT_get0_X509(X509_OBJECT_retrieve_by_subject(objects, type, subject));
  if (certificate == nullptr || X509_OBJECT_set1_X509(found, certificate) != 1) return 0;
  // The caller takes a reference of its own. The store keeps the certificate.
  X509_free(certificate);
  return 1;
}

X509_LOOKUP_METHOD* method() {
  static X509_LOOKUP_METHOD* const made = [] {
    X509_LOOKUP_METHOD* const method = X509_LOOKUP_meth_new("root certificates by subject");
    check(method != nullptr && X509_LOOKUP_meth_set_get_by_subject(method, on_lookup) == 1 &&
              X509_LOOKUP_meth_set_free(method, [](X509_LOOKUP* lookup) { delete index_of(lookup); }) == 1,
          "no memory for the root certificates");
    return method;
  }();
  return made;
}

}  // namespace

RootIndex& RootIndex::attach(X509_STORE* store) {
  X509_LOOKUP* const lookup = X509_STORE_add_lookup(store, method());
  check(lookup != nullptr, "no memory for the root certificates");
  auto* const index = new RootIndex(store);
  X509_LOOKUP_set_method_data(lookup, index);
  return *index;
}

bool RootIndex::add_file(const std::string& path) {
  const std::unique_ptr<BIO, FreeWith<BIO_free>> file(BIO_new_file(path.c_str(), "r"));
  if (!file) return false;
  std::vector<std::pair<unsigned long, std::string>> found;
  while (auto block = read_block(file.get())) {
    const auto hash = is_certificate(*block) ? subject_hash(as_bytes(block->data)) : std::nullopt;
    if (!hash) return false;
    found.emplace_back(*hash, std::move(block->data));
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return false;
  for (auto& [hash, der] : found)
    insert(hash, std::move(der));
  return !found.empty();
}

// A directory has most files under several names.
void RootIndex::insert(unsigned long subject, std::string der) {
  const auto [first, last] = roots_.equal_range(subject);
  const bool known = std::any_of(first, last, [&](const auto& root) { return root.second == der; });
  if (!known) roots_.emplace(subject, std::move(der));
}

void RootIndex::load(const X509_NAME* subject) {
  int hashed = 0;
  const auto [first, last] = roots_.equal_range(X509_NAME_hash_ex(subject, nullptr, nullptr, &hashed));
  if (hashed != 1) return;
  std::for_each(first, last, [&](const auto& root) {
    const auto certificate =
        value_of<d2i_X509, std::unique_ptr<X509, FreeWith<X509_free>>>(as_bytes(root.second));
    if (certificate && X509_NAME_cmp(X509_get_subject_name(certificate.get()), subject) == 0)
      X509_STORE_add_cert(store_, certificate.get());
  });
}

void RootIndex::load_namesakes() {
  std::vector<Name> subjects;
  STACK_OF(X509_OBJECT)* const objects = X509_STORE_get0_objects(store_);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    const X509* const certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
    if (certificate != nullptr) subjects.emplace_back(X509_NAME_dup(X509_get_subject_name(certificate)));
  }
  for (const Name& subject : subjects)
    load(subject.get());
}

}  // namespace localproxy::tls
