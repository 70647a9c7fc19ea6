#include "records/verify.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <set>

#include "base/fault_point.hpp"
#include "records/canonical.hpp"

namespace opaline::records {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t kMaxFolderFiles = 64;
constexpr std::string_view kListed[] = {kCsvName, kJsonName, kStatementName};

/// A manifest's members, read and of the right kinds; what they say is not yet checked.
struct Manifest {
  json::object core;
  std::string core_text;
  CaseId id;
  std::uint32_t revision = 0, number = 0;
  Facts facts;
  Counts approved, found;
  Time from, to;
  std::vector<Approval> approvals;
  std::string service, service_name;
  struct Listed {
    std::string name, sha256;
    std::uint64_t bytes = 0;
  };
  std::vector<Listed> files;
  crypto::HybridPublicKey key;
  crypto::HybridSignature signature;
  std::optional<LedgerPart> ledger;
};

bool read_approvals(const json::object& core, Manifest& out) {
  const auto* approvals = array_of(core, "approvals");
  if (approvals == nullptr || approvals->size() > kMaxRecipients) return false;
  for (const auto& value : *approvals) {
    const auto* one = value.if_object();
    if (one == nullptr || !has_exactly(*one, {"at", "key", "officer", "signature"})) return false;
    const auto officer = text_of(*one, "officer"), at = text_of(*one, "at");
    const auto key = id_of<crypto::HybridPublicKey>(*one, "key");
    const auto signature = id_of<crypto::HybridSignature>(*one, "signature");
    const auto time = at ? time_millis_from(*at) : std::nullopt;
    if (!officer || !is_line(*officer) || !time || !key || !signature) return false;
    out.approvals.push_back({*officer, *time, *key, *signature, {}});
  }
  return true;
}

bool read_files(const json::object& core, Manifest& out) {
  const auto* files = array_of(core, "files");
  if (files == nullptr || files->size() > kMaxBundleFiles) return false;
  for (const auto& value : *files) {
    const auto* one = value.if_object();
    if (one == nullptr || !has_exactly(*one, {"bytes", "name", "sha256"})) return false;
    const auto file = text_of(*one, "name"), hash = text_of(*one, "sha256");
    const auto bytes = number_of(*one, "bytes");
    if (!file || !hash || !bytes) return false;
    out.files.push_back({*file, *hash, *bytes});
  }
  return true;
}

bool read_core(const json::object& core, Manifest& out) {
  if (!has_exactly(core,
                   {"approvals", "approved_counts", "case", "counts", "damaged", "facts", "files", "format", "from",
                    "made", "number", "retention_days", "revision", "service", "to", "unreadable_days"}) ||
      text_of(core, "format") != "opaline production 1")
    return false;
  const auto id = case_id_from(text_of(core, "case").value_or(""));
  const auto revision = number_of(core, "revision"), number = number_of(core, "number");
  const auto *facts = object_of(core, "facts"), *service = object_of(core, "service");
  const auto *found = array_of(core, "counts"), *approved = array_of(core, "approved_counts");
  const auto from = time_from(text_of(core, "from").value_or("")), to = time_from(text_of(core, "to").value_or(""));
  if (!id || !revision || *revision > UINT32_MAX || !number || *number > UINT32_MAX || facts == nullptr ||
      service == nullptr || !has_exactly(*service, {"key_sha256", "name"}) || found == nullptr || approved == nullptr ||
      !from || !to)
    return false;
  auto read_facts = facts_from(*facts);
  auto counts = counts_from(*found), approved_counts = counts_from(*approved);
  const auto key = text_of(*service, "key_sha256"), service_name = text_of(*service, "name");
  if (!read_facts || !counts || !approved_counts || !key || !service_name) return false;
  out.id = *id;
  out.revision = static_cast<std::uint32_t>(*revision);
  out.number = static_cast<std::uint32_t>(*number);
  out.facts = std::move(*read_facts);
  out.found = std::move(*counts);
  out.approved = std::move(*approved_counts);
  out.from = *from;
  out.to = *to;
  out.service = *key;
  out.service_name = *service_name;
  return read_approvals(core, out) && read_files(core, out);
}

std::optional<Manifest> read_manifest(ByteView bytes) {
  const auto value = parse_canonical(as_text(bytes));
  const auto* object = value ? value->if_object() : nullptr;
  if (object == nullptr || (!has_exactly(*object, {"core", "ledger", "service_key", "service_signature"}) &&
                            !has_exactly(*object, {"core", "service_key", "service_signature"})))
    return std::nullopt;
  Manifest out;
  const auto* core = object_of(*object, "core");
  const auto key = id_of<crypto::HybridPublicKey>(*object, "service_key");
  const auto signature = id_of<crypto::HybridSignature>(*object, "service_signature");
  if (core == nullptr || !key || !signature || !read_core(*core, out)) return std::nullopt;
  if (const auto* ledger = object_of(*object, "ledger")) {
    out.ledger = ledger_part_from(*ledger);
    if (!out.ledger) return std::nullopt;
  } else if (object->contains("ledger")) {
    return std::nullopt;
  }
  out.core = *core;
  out.core_text = canonical_own(out.core);
  out.key = *key;
  out.signature = *signature;
  return out;
}

class Checker {
 public:
  Checker(const std::vector<File>& files, std::string_view service) : files_(files), service_(service) {}

  Verdict run() {
    const auto* manifest = file(kManifestName);
    auto read = manifest ? read_manifest(manifest->content) : std::nullopt;
    if (!say(read.has_value(), "manifest.json is a production's manifest",
             manifest ? "manifest.json is no production's manifest, or was changed" : "there is no manifest.json"))
      return std::move(out_);
    m_ = std::move(*read);
    whose();
    listed_files();
    approvals();
    rows();
    ledger();
    return std::move(out_);
  }

 private:
  bool say(bool good, std::string yes, std::string no) {
    out_.checks.push_back({good, good ? std::move(yes) : std::move(no)});
    return good;
  }
  const File* file(std::string_view name) const {
    const auto at = std::ranges::find(files_, name, &File::name);
    return at == files_.end() ? nullptr : &*at;
  }

  void whose() {
    const auto own = ledger::fingerprint(m_.key);
    say(own == m_.service, "the key in it is the one that it names", "the key in it is another than it names");
    if (!service_.empty()) {
      say(own == service_, "it is of the service whose fingerprint you gave",
          "it is of another service than the one whose fingerprint you gave: " + own);
    } else {
      say(true, "you gave no fingerprint: compare this one with what the service publishes: " + own, {});
    }
    const auto verifier = crypto::HybridVerifier::from(m_.key);
    say(verifier && verifier->verify(kProductionLabel, as_view(m_.core_text), m_.signature), "the service signed it",
        "the service's signature is not over this");
  }

  void listed_files() {
    bool complete = m_.files.size() == std::size(kListed);
    for (std::size_t i = 0; complete && i < m_.files.size(); ++i) complete = m_.files[i].name == kListed[i];
    say(complete, "it lists the three files of a production", "it does not list the three files of a production");
    for (const auto& listed : m_.files) {
      const auto* one = file(listed.name);
      if (!say(one != nullptr, listed.name + " is there", listed.name + " is missing")) continue;
      say(one->content.size() == listed.bytes && sha256_hex(one->content) == listed.sha256,
          listed.name + " is what was signed", listed.name + " was changed");
    }
    for (const auto& one : files_) {
      if (one.name != kManifestName && std::ranges::find(m_.files, one.name, &Manifest::Listed::name) == m_.files.end())
        say(false, {}, "\"" + one.name.substr(0, 80) + "\" does not belong to this production");
    }
  }

  void approvals() {
    std::set<std::string> names, keys;
    const auto text = signed_text({m_.service, m_.id, m_.revision, digest(m_.id, m_.revision, m_.facts), m_.approved});
    for (const auto& one : m_.approvals) {
      names.insert(one.officer);
      keys.insert(one.key.hex());
      const auto verifier = crypto::HybridVerifier::from(one.key);
      say(verifier && verifier->verify(kApprovalLabel, as_view(text), one.signature),
          "officer " + one.officer + " signed this request and these numbers",
          "the signature of officer " + one.officer + " is not over this request and these numbers");
    }
    say(m_.approvals.size() >= 2 && names.size() == m_.approvals.size() && keys.size() == m_.approvals.size(),
        "two different officers approved it", "it was not approved by two different officers");
  }

  void rows() {
    const auto* data = file(kJsonName);
    const auto* csv = file(kCsvName);
    const auto rows = data ? rows_from(m_.id, m_.number, data->content) : std::nullopt;
    if (!say(rows.has_value(), "lookups.json can be read", "lookups.json cannot be read")) return;
    const auto fits = [&](const Row& row) {
      return std::ranges::binary_search(m_.facts.handles, row.target) && row.entry.time >= m_.from &&
             row.entry.time < m_.to &&
             row.target == (row.direction == Direction::by ? row.entry.source_handle : row.entry.looked_up_handle);
    };
    say(std::ranges::all_of(*rows, fits), "every entry is one that was asked for",
        "there are entries that were not asked for");
    const auto found = count(m_.facts.handles, *rows);
    const bool pen_register = m_.facts.instrument == Instrument::pen_register;
    const bool range = pen_register ? m_.from >= m_.facts.from && m_.to <= m_.facts.to
                                    : m_.from == m_.facts.from && m_.to == m_.facts.to;
    say(found == m_.found && range && (pen_register || found == m_.approved),
        std::to_string(rows->size()) + " entries: as many as were approved and signed for",
        "there are more or fewer entries than were approved and signed for");
    say(csv != nullptr && csv->content == csv_of(*rows), "lookups.csv says the same as lookups.json",
        "lookups.csv says something else than lookups.json");
  }

  void ledger() {
    if (!say(m_.ledger.has_value(), "it has its place in the service's ledger",
             "it has no proof that it was entered in the service's ledger"))
      return;
    const auto& head = m_.ledger->head;
    say(ledger::verify_head(head, m_.key), "the service signed the ledger's head",
        "the ledger's head is not signed by this service");
    bool included = !m_.ledger->events.empty();
    for (const auto& event : m_.ledger->events) {
      const auto leaf =
          ledger::encode(ledger::Leaf{event.time, event.kind, ledger::commitment(event.salt, as_view(event.text))});
      included = included && ledger::verify_inclusion(event.index, head.head.size, ledger::leaf_hash(leaf), event.proof,
                                                      head.head.root);
    }
    if (!say(included, "the ledger has the event", "the ledger's proof does not fit")) return;
    const auto event = parse_canonical(m_.ledger->events[0].text);
    const auto* made = event ? event->if_object() : nullptr;
    say(made != nullptr && text_of(*made, "case") == to_text(m_.id) &&
            text_of(*made, "core_sha256") == to_hex(sha256_of(m_.core_text)),
        "the event is this production's", "the event in the ledger is another production's");
    if (m_.facts.instrument == Instrument::preservation) opened();
  }

  void opened() {
    const auto& events = m_.ledger->events;
    const auto event = events.size() > 1 ? parse_canonical(events[1].text) : std::nullopt;
    const auto* order = event ? event->if_object() : nullptr;
    const bool opens = order != nullptr && text_of(*order, "opens") == to_text(m_.id);
    say(opens, "it was preserved, and opened for case " + (opens ? text_of(*order, "case").value_or("") : ""),
        "it was preserved, and no later request opened it");
  }

  const std::vector<File>& files_;
  std::string_view service_;
  Manifest m_;
  Verdict out_;
};

Result<SecretBytes, std::string> read_file(const fs::path& path) {
  const auto wrong = [&](const char* why) { return fail(path.filename().string() + ": " + why); };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return wrong("cannot be opened (links are not followed)");
  struct Close {
    int fd;
    ~Close() { ::close(fd); }
  } const closing{fd};
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return wrong("is no ordinary file");
  if (static_cast<std::uintmax_t>(status.st_size) > kMaxProductionFileBytes) return wrong("is too large");
  SecretBytes out(static_cast<std::size_t>(status.st_size));
  std::size_t done = 0;
  while (done < out.size()) {
    const auto got = ::read(fd, out.data() + done, out.size() - done);
    if (got <= 0) return wrong("cannot be read");
    done += static_cast<std::size_t>(got);
  }
  return out;
}

}  // namespace

bool Verdict::good() const {
  return !checks.empty() && std::ranges::all_of(checks, &Check::good);
}

Verdict verify(const std::vector<File>& files, std::string_view service) {
  return Checker(files, service).run();
}

Result<std::vector<File>, std::string> read_folder(const fs::path& folder) {
  std::error_code error;
  std::vector<File> out;
  auto entries = fs::directory_iterator(folder, error);
  if (error) return fail(folder.string() + ": " + error.message());
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (out.size() == kMaxFolderFiles) return fail(folder.string() + ": has more files than a production");
    OPALINE_TRY(auto content, read_file(entries->path()));
    out.push_back({entries->path().filename().string(), std::move(content)});
  }
  if (error) return fail(folder.string() + ": " + error.message());
  std::ranges::sort(out, {}, &File::name);
  return out;
}

Result<void, std::string> write_new_file(const fs::path& file, ByteView content) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    const std::error_code error(errno, std::generic_category());
    return fail(file.string() + ": " + error.message());
  }
  std::size_t done = 0;
  while (done < content.size()) {
    const auto put = ::write(fd, content.data() + done, content.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) break;
    done += static_cast<std::size_t>(put);
  }
  const bool whole = done == content.size() && ::fsync(fd) == 0;
  if (::close(fd) == 0 && whole) return {};
  ::unlink(file.c_str());
  return fail(file.string() + ": cannot be written: is the disk full?");
}

Result<void, std::string> write_folder(const fs::path& folder, const std::vector<File>& files) {
  const auto wrong = [&](const std::string& why) { return fail(folder.string() + ": " + why); };
  std::error_code error;
  const auto target = folder.has_filename() ? folder : folder.parent_path();  // "out/" is "out"
  if (fs::exists(fs::symlink_status(target, error))) return wrong("exists already");
  const auto part = target.parent_path() / ("." + target.filename().string() + ".part");
  for (const auto& file : files) {
    if (file.name.empty() || file.name.front() == '.' || file.name.find('/') != std::string::npos)
      return fail("\"" + file.name + "\" is no file's name");
    fs::remove(part / file.name, error);  // of an attempt that was interrupted
  }
  ::rmdir(part.c_str());
  if (::mkdir(part.c_str(), 0700) != 0) return wrong(std::error_code(errno, std::generic_category()).message());
  for (const auto& file : files) {
    OPALINE_CHECK(write_new_file(part / file.name, file.content));
    fault_point("folder.after_file");
  }
  fs::rename(part, target, error);
  if (error) return wrong(error.message());
  return {};
}

}  // namespace opaline::records
