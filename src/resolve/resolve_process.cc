#include "resolve/resolve_process.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <memory>
#include <string>

#include "base/fd.h"

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

// Notes which file keeps lookups from working. libc silently does without those that it cannot read.
void note_unread(ipc::LookupFailed& failed) {
  using ipc::NameFile;
  for (const NameFile file : {NameFile::kResolvConf, NameFile::kHosts, NameFile::kNsswitch}) {
    const char* const path = path_of(file);
    if (const UniqueFd opened(::open(path, O_RDONLY | O_CLOEXEC)); opened) continue;
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    // The others need not exist.
    if (missing && file != NameFile::kResolvConf) continue;
    failed.file = file;
    failed.unread = ipc::Unread::kPermissions;
    if (missing) failed.unread = ipc::Unread::kMissing;
    // If everybody may read the file, only Landlock keeps it from this process. Landlock does not hide the
    // status.
    struct stat status {};
    if (!missing && ::stat(path, &status) == 0 && (status.st_mode & S_IROTH) != 0)
      failed.unread = ipc::Unread::kSandbox;
    return;
  }
}

}  // namespace

ResolveProcess::ResolveProcess(event::Loop& loop, ipc::Port& monitor) : loop_(loop), monitor_(monitor) {
  monitor_.on<ipc::Lookup>([this](const ipc::Lookup& message) { on_lookup(message); });
}

void ResolveProcess::on_lookup(const ipc::Lookup& message) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* raw = nullptr;
  const int error = ::getaddrinfo(message.host.value.c_str(), nullptr, &hints, &raw);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> found(raw, &::freeaddrinfo);
  loop_.stop();
  if (error != 0) {
    ipc::LookupFailed failed;
    failed.reason.value = ::gai_strerror(error);
    note_unread(failed);
    monitor_.send(failed);
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
