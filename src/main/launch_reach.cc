#include "ipc/messages.h"
#include "main/places.h"
#include "main/reach.h"

namespace localproxy {
namespace {

void add(std::vector<std::string>& to, const std::vector<std::string>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

// Where OpenSSL, and we, look for the system's root certificates, besides what is below /etc and /usr.
const std::vector<std::string> kSystemRoots = {"/etc/ssl/cert.pem", "/etc/ssl/certs",
                                               "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/cert.pem",
                                               "/etc/pki/tls/certs/ca-bundle.crt"};

// Of the entries of directories, which are often links to elsewhere, and of files.
std::vector<std::string> certificate_places(const ipc::Setup& setup) {
  std::vector<std::string> files = kSystemRoots;
  for (const std::string& directory : setup.ca_paths.value)
    add(files, files_in(directory));
  add(files, files_in("/etc/ssl/certs"));
  for (const std::string& file : {setup.ca_file.value, setup.cert_file.value})
    if (!file.empty()) files.push_back(file);
  return places_of(files);
}

}  // namespace

// What a helper needs between its start and its own sandbox, which is in force in all of them: libraries,
// certificates, resolver files, /proc/self.
sandbox::LandlockRules launch_reach(const ipc::Setup& setup, const std::vector<int>& programs) {
  sandbox::LandlockRules rules;
  // Directories: files such as resolv.conf are renewed by renaming a new one over the old one.
  rules.read = {"/etc",
                "/usr",
                "/lib",
                "/lib64",
                "/proc",
                "/run/systemd/resolve",
                "/run/resolvconf",
                "/run/NetworkManager",
                "/run/nscd",
                "/run/systemd/machines"};
  add(rules.read, places_of(name_files()));
  add(rules.read, library_directories());
  add(rules.read, setup.ca_paths.value);
  add(rules.read, certificate_places(setup));
  // The program interpreter.
  rules.execute = {"/lib", "/lib64", "/usr/lib", "/usr/lib64"};
  rules.execute_files = programs;
  rules.connect_ports = {kDnsPort};
  return rules;
}

}  // namespace localproxy
