// Thousands of random operations on a tunnel, compared with a model that is too simple to be wrong: a list of
// connections, and the active stream of each service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "net/tunnel.h"
#include "tests/unit/net/recorder.h"

namespace localproxy::net {
namespace {

using test::line;
using test::make;
using test::Message;
using test::MessageType;
using test::NumberedTunnel;
using test::Recorder;

constexpr uint32_t kModelConnections = 3;
constexpr int kServices = 3;
constexpr int kOperations = 3'000;
// Few ids, so that they are reused often.
constexpr uint32_t kMaxId = 40;

struct Entry {
  ConnectionNumber number;
  int service;
  uint32_t id;
};

class Model {
 public:
  // with_ids: our messages may carry connection ids.
  Model(bool source, bool with_ids) : source_(source), with_ids_(with_ids) {}

  std::vector<std::string> open(ConnectionNumber number, int service) {
    std::vector<std::string> out;
    const bool first = count(service) == 0 || !with_ids_ || peer_ == Peer::kOlder;
    if (first) {
      give_up_stream(service, out);
      stream_[service] = static_cast<int32_t>(next_stream_);
      next_stream_ = after(next_stream_);
      last_id_[service] = 0;
      has_ids_[service] = with_ids_;
      answered_[service] = false;
    }
    do {
      last_id_[service] = after(last_id_[service]);
    } while (find(service, last_id_[service]) != nullptr);
    entries_.push_back({number, service, last_id_[service]});
    out.push_back("send " + line(make(first ? MessageType::kStreamStart : MessageType::kConnectionStart,
                                      stream_[service], name(service), with_ids_ ? last_id_[service] : 0)));
    return out;
  }

  std::vector<std::string> close(ConnectionNumber number) {
    const auto at =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.number == number; });
    if (at == entries_.end()) return {};
    const Entry entry = *at;
    entries_.erase(at);
    std::vector<std::string> out;
    if (has_ids_[entry.service] && peer_ != Peer::kOlder) {
      out.push_back(reset_of(true, entry.service, stream_[entry.service], entry.id));
      if (source_ && count(entry.service) == 0) give_up_stream(entry.service, out);
    } else {
      give_up_stream(entry.service, out);
    }
    return out;
  }

  std::vector<std::string> end() {
    std::vector<std::string> out;
    entries_.clear();
    for (int s = 0; s < kServices; ++s)
      give_up_stream(s, out);
    return out;
  }

  // Handles a message; `error`: it ends the tunnel.
  std::vector<std::string> take(const Message& m, bool& error) {
    error = false;
    std::vector<std::string> out;
    if (m.type == MessageType::kSessionReset) {
      for (int s = 0; s < kServices; ++s)
        end_stream(s, out);
      return out;
    }
    const int s = service_of(m.service_id);
    const uint32_t id = std::max(1U, m.connection_id);
    const bool active = m.stream_id == stream_[s];
    if (active && source_ && with_ids_) learn(m, s, out);
    const Entry* entry = active && stream_[s] != 0 ? find(s, id) : nullptr;
    switch (m.type) {
      case MessageType::kData:
        if (entry != nullptr) out.push_back("deliver " + std::to_string(entry->number) + " " + m.payload);
        break;
      case MessageType::kStreamReset:
        if (active) end_stream(s, out);
        break;
      case MessageType::kConnectionReset:
        if (entry != nullptr) end(*entry, out);
        if (source_ && active && count(s) == 0) {
          if (!has_ids_[s]) stream_[s] = 0;
          give_up_stream(s, out);
        }
        break;
      case MessageType::kStreamStart:
        error = source_;
        if (!source_) begin(m, s, id, out);
        break;
      case MessageType::kConnectionStart:
        if (source_) {
          const Entry* named = active ? find(s, m.connection_id) : nullptr;
          if (named == nullptr) break;
          const ConnectionNumber number = named->number;
          out = close(number);
          out.push_back("finish " + std::to_string(number));
        } else if (stream_[s] == 0) {
          begin(m, s, id, out);
        } else if (active && !has_ids_[s] && count(s) > 0) {
          break;
        } else if (!active || entry != nullptr) {
          const bool ids = active ? has_ids_[s] : m.connection_id != 0 && with_ids_;
          out.push_back(reset_of(ids, s, m.stream_id, id));
        } else {
          add(m, s, id, out);
        }
        break;
      default:
        ADD_FAILURE() << "the test makes no " << line(m);
    }
    return out;
  }

  size_t size() const { return entries_.size(); }
  int32_t stream(int service) const { return stream_[service]; }
  int versions_seen() const { return versions_seen_; }
  static std::string name(int service) { return std::string(1, static_cast<char>('A' + service)); }

 private:
  static uint32_t after(uint32_t id) { return id == kMaxId ? 1 : id + 1; }
  static int service_of(const std::string& id) { return id[0] - 'A'; }
  const Entry* find(int service, uint32_t id) const {
    for (const Entry& e : entries_) {
      if (e.service == service && e.id == id) return &e;
    }
    return nullptr;
  }
  static std::string reset_of(bool ids, int service, int32_t stream, uint32_t id) {
    return "send " + line(ids ? make(MessageType::kConnectionReset, stream, name(service), id)
                              : make(MessageType::kStreamReset, stream, name(service)));
  }
  int64_t count(int service) const {
    return std::count_if(entries_.begin(), entries_.end(),
                         [service](const Entry& e) { return e.service == service; });
  }
  // What a source learns about the destination's version.
  void learn(const Message& m, int service, std::vector<std::string>& out) {
    const Peer before = peer_;
    if (m.type == MessageType::kConnectionReset && m.connection_id == 1 && peer_ == Peer::kUnknown) {
      peer_ = Peer::kCurrent;
    }
    if (m.type == MessageType::kData && !answered_[service]) {
      answered_[service] = true;
      peer_ = m.connection_id == 0 ? Peer::kOlder : Peer::kCurrent;
      if (peer_ == Peer::kOlder && before != Peer::kOlder) {
        std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
          return std::pair(a.service, -int64_t{a.id}) < std::pair(b.service, -int64_t{b.id});
        });
        const std::vector<Entry> all = entries_;
        for (const Entry& e : all) {
          if (e.id > 1) end(e, out);
        }
      }
    }
    if (peer_ != before) ++versions_seen_;
  }
  void end(const Entry& entry, std::vector<std::string>& out) {
    out.push_back("finish " + std::to_string(entry.number));
    std::erase_if(entries_, [number = entry.number](const Entry& e) { return e.number == number; });
  }
  void end_stream(int service, std::vector<std::string>& out) {
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.id < b.id; });
    const std::vector<Entry> before = entries_;
    for (const Entry& e : before) {
      if (e.service == service) end(e, out);
    }
    stream_[service] = 0;
  }
  void give_up_stream(int service, std::vector<std::string>& out) {
    const int32_t stream = stream_[service];
    end_stream(service, out);
    if (stream == 0) return;
    out.push_back("send " +
                  line(make(MessageType::kStreamReset, stream, name(service), has_ids_[service] ? 1 : 0)));
  }
  void begin(const Message& m, int service, uint32_t id, std::vector<std::string>& out) {
    end_stream(service, out);
    stream_[service] = m.stream_id;
    has_ids_[service] = m.connection_id != 0 && with_ids_;
    add(m, service, id, out);
  }
  void add(const Message& m, int service, uint32_t id, std::vector<std::string>& out) {
    if (count(service) >= int64_t{kModelConnections}) {
      return out.push_back(reset_of(has_ids_[service], service, m.stream_id, id));
    }
    entries_.push_back({next_number_++, service, id});
    out.push_back("open " + std::to_string(entries_.back().number) + " service " + std::to_string(service));
  }

  enum class Peer : uint8_t { kUnknown, kOlder, kCurrent };

  const bool source_;
  const bool with_ids_;
  std::vector<Entry> entries_;
  int32_t stream_[kServices] = {};
  uint32_t last_id_[kServices] = {};
  bool has_ids_[kServices] = {true, true, true};
  bool answered_[kServices] = {};
  Peer peer_ = Peer::kUnknown;
  int versions_seen_ = 0;
  uint32_t next_stream_ = 1;
  ConnectionNumber next_number_ = 1;
};

struct Case {
  bool source;
  int version;
  unsigned seed;
};

class TunnelModelTest : public testing::TestWithParam<Case> {
 protected:
  int below(int most) { return std::uniform_int_distribution<int>(0, most - 1)(random_); }

  Message random_message(const Model& model) {
    static constexpr MessageType kTypes[] = {MessageType::kData,
                                             MessageType::kData,
                                             MessageType::kData,
                                             MessageType::kStreamStart,
                                             MessageType::kConnectionStart,
                                             MessageType::kConnectionStart,
                                             MessageType::kStreamReset,
                                             MessageType::kConnectionReset,
                                             MessageType::kSessionReset};
    // Ends are rarer than starts, so that there is something to end.
    MessageType type = kTypes[below(9)];
    if (type == MessageType::kSessionReset && below(8) != 0) type = MessageType::kData;
    if (type == MessageType::kSessionReset) return make(type, 0);
    const int service = below(kServices);
    // A source numbers its streams itself, and soon leaves the first numbers behind.
    const bool current = GetParam().source && model.stream(service) != 0 && below(4) != 0;
    Message message = make(type, current ? model.stream(service) : 1 + below(3), Model::name(service),
                           static_cast<uint32_t>(below(6)));
    if (type == MessageType::kData) message.payload = std::to_string(below(1'000));
    return message;
  }

  std::mt19937 random_{GetParam().seed};
};

TEST_P(TunnelModelTest, DoesWhatTheModelDoes) {
  const bool source = GetParam().source;
  Recorder recorder;
  NumberedTunnel tunnel(source, {"A", "B", "C"}, format_of_version(GetParam().version), 1, kModelConnections,
                        recorder, kMaxId);
  Model model(source, GetParam().version == 3);
  ConnectionNumber next = 1;
  size_t most_open = 0;
  for (int i = 0; i < kOperations; ++i) {
    std::vector<std::string> expected;
    std::string what;
    bool error = false;
    const int kind = below(10);
    if (kind == 0) {
      const auto number = static_cast<ConnectionNumber>(1 + below(static_cast<int>(next) + 4));
      what = "local end of " + std::to_string(number);
      expected = model.close(number);
      tunnel.local_closed(number);
    } else if (kind < 4 && source) {
      const int service = below(kServices);
      what = "local connection " + std::to_string(next);
      expected = model.open(next, service);
      tunnel.local_opened(next++, static_cast<uint16_t>(service));
    } else {
      const Message message = random_message(model);
      what = line(message);
      expected = model.take(message, error);
      ASSERT_EQ(test::receive(tunnel, message).ok(), !error) << "operation " << i << ": " << what;
    }
    const std::vector<std::string> got = recorder.take();
    for (const std::string& event : got) {
      if (!source && event.starts_with("open ")) ++next;
    }
    ASSERT_EQ(got, expected) << "operation " << i << ": " << what;
    ASSERT_EQ(tunnel.open_connections(), model.size()) << "operation " << i << ": " << what;
    most_open = std::max(most_open, model.size());
  }
  if (source) {
    tunnel.end_streams();
    EXPECT_EQ(recorder.take(), model.end());
    EXPECT_EQ(tunnel.open_connections(), 0U);
  }
  // The operations had an effect.
  EXPECT_GE(most_open, GetParam().version < 3 ? 3U : 4U);
  if (source && GetParam().version == 3) {
    EXPECT_GT(model.versions_seen(), 10);
  }
  EXPECT_GT(next, 100U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, TunnelModelTest,
                         testing::Values(Case{false, 3, 1}, Case{false, 3, 2}, Case{false, 3, 3},
                                         Case{false, 2, 1}, Case{true, 3, 1}, Case{true, 3, 2},
                                         Case{true, 3, 3}, Case{true, 2, 1}),
                         [](const auto& each) {
                           return std::string(each.param.source ? "Source" : "Destination") + "V" +
                                  std::to_string(each.param.version) + "Seed" +
                                  std::to_string(each.param.seed);
                         });

}  // namespace
}  // namespace localproxy::net
