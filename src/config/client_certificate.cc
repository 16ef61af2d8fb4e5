#include "config/client_certificate.h"

#include <optional>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/path.h"
#include "base/text.h"
#include "config/endpoint.h"
#include "config/file.h"

namespace localproxy::config {
namespace {

constexpr size_t kMaxPemFile = 64 * 1024;  // bytes; there may be text around the blocks
constexpr std::string_view kCertificate = "CERTIFICATE";
constexpr std::string_view kKey = "PRIVATE KEY";  // the end of "RSA PRIVATE KEY" and the like
constexpr std::string_view kEncryptedKey = "ENCRYPTED PRIVATE KEY";

// A block of a PEM text (RFC 7468, 2).
struct PemBlock {
  std::string_view label;
  std::string_view body;  // between its first and its last line
  std::string_view text;  // all of it
};

// Takes the next block, and what is in front of it, off a text.
std::optional<PemBlock> next_block(std::string_view& text) {
  static constexpr std::string_view kBegin = "-----BEGIN ";
  static constexpr std::string_view kDashes = "-----";
  const size_t start = text.find(kBegin);
  if (start == std::string_view::npos) return std::nullopt;
  text.remove_prefix(start);
  const size_t label_end = text.find(kDashes, kBegin.size());
  if (label_end == std::string_view::npos) return std::nullopt;
  const std::string_view label = text.substr(kBegin.size(), label_end - kBegin.size());
  const std::string last_line = "-----END " + std::string(label) + std::string(kDashes);
  const size_t end = text.find(last_line, label_end);
  if (end == std::string_view::npos) return std::nullopt;
  const size_t body = label_end + kDashes.size();
  PemBlock block{label, text.substr(body, end - body), text.substr(0, end + last_line.size())};
  text.remove_prefix(block.text.size());
  return block;
}

bool is_base64(std::string_view body) {
  return body.find_first_of(kAsciiAlphanumeric) != std::string_view::npos &&
         consists_of(body, std::string(kAsciiAlphanumeric) + "+/= \t\r\n");
}

Result<std::string> chain_of(std::string_view text) {
  std::string chain;
  while (const auto block = next_block(text)) {
    if (block->label != kCertificate) continue;
    if (!is_base64(block->body)) return Error("a certificate is damaged");
    chain += std::string(block->text) + "\n";
  }
  if (chain.empty()) return Error("there is no certificate in PEM form");
  if (chain.size() > limits::kMaxClientCertificate)
    return Error("the certificates have more than " + std::to_string(limits::kMaxClientCertificate) +
                 " bytes");
  return chain;
}

// Copies nothing of the key but into the result.
Result<Secret> key_of(std::string_view text) {
  while (const auto block = next_block(text)) {
    if (!block->label.ends_with(kKey)) continue;
    if (block->label == kEncryptedKey || block->body.find(",ENCRYPTED") != std::string_view::npos)
      return Error(
          "the private key is encrypted, and nobody is there to be asked for its password: decrypt it with "
          "'openssl pkey -in FILE -out FILE', to a file that only its owner may read");
    if (!is_base64(block->body)) return Error("the private key is damaged");
    if (block->text.size() > limits::kMaxClientKey)
      return Error("the private key has more than " + std::to_string(limits::kMaxClientKey) + " bytes");
    return Secret(block->text);
  }
  return Error("there is no private key in PEM form; --proxy-key names the file that has it");
}

}  // namespace

Result<std::string> read_certificates(const std::string& path) {
  const auto content = read_file(path, kMaxPemFile, shown(path));
  if (!content) return content.error();
  auto chain = chain_of(content->reveal());
  if (!chain) return chain.error().about(shown(path));
  return chain;
}

Result<Secret> read_private_key(const std::string& path) {
  const auto content = read_file(path, kMaxPemFile, shown(path));
  if (!content) return content.error();
  auto key = key_of(content->reveal());
  if (!key) return key.error().about(shown(path));
  return key;
}

Result<ClientCertificate> read_client_certificate(const Value& certificate, const Value& key) {
  // Absolute also so that '-' is a file like any other.
  ClientCertificate own{.file = absolute_path(certificate.texts.front()),
                        .key_file = absolute_path(key.texts.front())};
  auto chain = read_certificates(own.file);
  if (!chain) return chain.error().about(certificate.origin);
  own.chain = std::move(*chain);
  auto secret = read_private_key(own.key_file);
  if (!secret) return secret.error().about(key.origin);
  own.key = std::move(*secret);
  return own;
}

void keep_for_web_proxy(Config& config, Diagnostics& diagnostics) {
  ClientCertificate& certificate = config.proxy_certificate;
  if (certificate.file.empty() || (config.web_proxy && config.web_proxy->scheme == "https")) return;
  certificate.chain.clear();
  certificate.key.clear();
  diagnostics.warning("--proxy-cert is not used: the way to the service leads through no https web proxy");
}

}  // namespace localproxy::config
