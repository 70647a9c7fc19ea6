#include "server/config.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "server/internal/config_schema.hpp"

namespace opaline::server {
namespace {

constexpr std::uintmax_t kMaxConfigBytes = 1 << 20;

struct Source {
  std::string where;
  std::filesystem::path base;
  const std::vector<internal::ConfigKey>& schema;
  ConfigProblems& problems;
  ConfigOrigins& origins;

  void complain(const toml::node& at, std::string key, std::string message) const {
    problems.push_back({where, at.source().begin.line, std::move(key), std::move(message)});
  }
};

std::string did_you_mean(std::string_view name, const std::vector<std::string_view>& known) {
  const auto near = internal::nearest(name, known);
  if (!near.empty()) return fmt::format("; did you mean \"{}\"?", near);
  return fmt::format("; known here: {}", fmt::join(known, ", "));
}

void read_section(const Source& source, std::string_view section, const toml::table& table) {
  std::vector<std::string_view> known;
  for (const auto& key : source.schema) {
    if (key.section == section) known.push_back(key.name);
  }
  for (const auto& [name, value] : table) {
    const auto full = fmt::format("{}.{}", section, name.str());
    const auto key = std::ranges::find_if(source.schema,
                                          [&](const auto& k) { return k.section == section && k.name == name.str(); });
    if (key == source.schema.end()) {
      source.complain(value, full, "unknown key" + did_you_mean(name.str(), known));
    } else if (auto error = key->read(value, source.base); !error.empty()) {
      source.complain(value, full, std::move(error));
    } else {
      source.origins.insert_or_assign(full, std::pair{source.where, value.source().begin.line});
    }
  }
}

void read_document(const Source& source, const toml::table& document) {
  std::vector<std::string_view> sections;
  for (const auto& key : source.schema) {
    if (sections.empty() || sections.back() != key.section) sections.push_back(key.section);
  }
  for (const auto& [name, value] : document) {
    if (std::ranges::find(sections, name.str()) == sections.end()) {
      source.complain(value, std::string(name.str()),
                      (value.is_table() ? "unknown section" : "this key belongs into a section, or is unknown") +
                          did_you_mean(name.str(), sections));
    } else if (!value.is_table()) {
      source.complain(value, std::string(name.str()), fmt::format("must be a section: [{}]", name.str()));
    } else {
      read_section(source, name.str(), *value.as_table());
    }
  }
}

/// Parses one document; a syntax error becomes a problem.
void read_text(const Source& source, std::string_view text) {
  try {
    const auto document = toml::parse(text, source.where);
    read_document(source, document);
  } catch (const toml::parse_error& error) {
    source.problems.push_back({source.where, error.source().begin.line, {}, std::string(error.description())});
  }
}

void read_override(const Source& source, const Override& text) {
  const auto equals = text.find('=');
  const auto dot = text.find('.');
  if (equals == text.npos || dot == text.npos || dot > equals || text.find('\n') != text.npos) {
    source.problems.push_back({source.where, 0, text, "must look like section.key=value"});
    return;
  }
  const auto before = source.problems.size();
  read_text(source, text);
  if (source.problems.size() > before && source.problems.back().key.empty()) {  // no TOML: perhaps a bare word
    source.problems.resize(before);
    std::string quoted = text.substr(0, equals) + "=\"";
    for (const char c : text.substr(equals + 1)) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    read_text(source, quoted + "\"");
  }
  for (auto i = before; i < source.problems.size(); ++i) source.problems[i].line = 0;
  for (auto& [key, origin] : source.origins) {
    if (origin.first == source.where) origin.second = 0;
  }
}

std::string read_problem(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return "no such file; docs/opalined.example.toml is a commented one";
  if (!std::filesystem::is_regular_file(file, error)) return "is no file";
  return "cannot be read by this user";
}

}  // namespace

std::string ConfigProblem::text() const {
  std::string out = where;
  if (line != 0) out += fmt::format(":{}", line);
  out += ": ";
  if (!key.empty()) out += key + ": ";
  return out + message;
}

Result<LoadedConfig, ConfigProblems> parse_config(std::string_view text, const std::string& where,
                                                  const std::filesystem::path& base,
                                                  const std::vector<Override>& overrides) {
  LoadedConfig out;
  ConfigProblems problems;
  const auto schema = internal::config_schema(out.config);
  read_text(Source{where, base, schema, problems, out.origins}, text);
  for (const auto& one : overrides) read_override(Source{"--set", base, schema, problems, out.origins}, one);
  if (!problems.empty()) return fail(std::move(problems));
  return out;
}

Result<LoadedConfig, ConfigProblems> load_config(const std::filesystem::path& file,
                                                 const std::vector<Override>& overrides) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(file, error);
  std::ifstream in(file, std::ios::binary);
  if (!std::filesystem::is_regular_file(file, error) || !in) {
    return fail(ConfigProblems{{file.string(), 0, {}, read_problem(file)}});
  }
  if (std::filesystem::file_size(file, error) > kMaxConfigBytes) {
    return fail(ConfigProblems{{file.string(), 0, {}, "is larger than 1 MiB"}});
  }
  std::ostringstream text;
  text << in.rdbuf();
  if (text.view().empty()) {  // not what anybody writes, but what a full disk or a crash leaves: no defaults for that
    return fail(ConfigProblems{{file.string(), 0, {}, "is empty: put it back (a comment alone means all defaults)"}});
  }
  return parse_config(text.str(), file.string(), absolute.parent_path(), overrides);
}

std::vector<std::string> config_keys() {
  Config scratch;
  std::vector<std::string> out;
  for (const auto& key : internal::config_schema(scratch)) out.push_back(fmt::format("{}.{}", key.section, key.name));
  return out;
}

Result<Role, std::string> parse_role(std::string_view name) {
  static constexpr std::string_view kRoles = R"("all" (the service), "gateway" and "sms")";
  if (name == "all") return Role::all;
  if (name == "gateway") return Role::gateway;
  if (name == "sms") return Role::sms;
  static constexpr std::array<std::string_view, 3> kLater{"relay", "identity", "records"};
  if (std::ranges::find(kLater, name) != kLater.end()) {
    return fail(fmt::format("role \"{}\" does not exist yet: roles are {}", name, kRoles));
  }
  return fail(fmt::format("unknown role \"{}\"; roles are {}", name, kRoles));
}

}  // namespace opaline::server
