#include "resolve/process.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>

namespace localproxy::resolve {
namespace {

// The address of one answer: 4 or 16 bytes.
std::string address_bytes(const addrinfo& info) {
  const void* at = nullptr;
  size_t size = 0;
  if (info.ai_family == AF_INET) {
    at = &reinterpret_cast<const sockaddr_in*>(info.ai_addr)->sin_addr;
    size = sizeof(in_addr);
  } else if (info.ai_family == AF_INET6) {
    at = &reinterpret_cast<const sockaddr_in6*>(info.ai_addr)->sin6_addr;
    size = sizeof(in6_addr);
  }
  return std::string(static_cast<const char*>(at), size);
}

}  // namespace

Process::Process(event::Loop& loop, ipc::Port& monitor) : loop_(loop), monitor_(monitor) {
  monitor_.on<ipc::Lookup>([this](const ipc::Lookup& message) { on_lookup(message); });
}

void Process::on_lookup(const ipc::Lookup& message) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  const int error = ::getaddrinfo(message.host.value.c_str(), nullptr, &hints, &raw);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> found(raw, &::freeaddrinfo);
  loop_.stop();
  if (error != 0) {
    const bool temporary = error == EAI_AGAIN || error == EAI_SYSTEM || error == EAI_MEMORY;
    monitor_.send(ipc::LookupFailed{static_cast<uint8_t>(temporary), std::string(::gai_strerror(error))});
    return;
  }
  ipc::Addresses answer;
  auto& addresses = answer.addresses.value;
  for (const addrinfo* info = found.get(); info != nullptr && addresses.size() < ipc::kMaxAddresses;
       info = info->ai_next) {
    if (info->ai_family == AF_INET || info->ai_family == AF_INET6) addresses.push_back(address_bytes(*info));
  }
  monitor_.send(answer);
}

}  // namespace localproxy::resolve
