#include "apps/opaline-records/home.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "apps/common/files.hpp"
#include "records/verify.hpp"

namespace opaline::officer {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxSettingsBytes = 256 * 1024;

fs::path settings_of(const fs::path& directory) {
  return directory / "service.json";
}

}  // namespace

Result<Home, std::string> load_home(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(settings_of(directory), error)) {
    return fail(std::string("no service is known yet: opaline-records connect https://HOST:PORT --token-file FILE"));
  }
  OPALINE_TRY(const std::string text, apps::read_file(settings_of(directory), kMaxSettingsBytes));
  boost::system::error_code bad;
  const auto value = json::parse(text, bad);
  Home out{.directory = directory};
  for (const auto& [name, field] : {std::pair{"server", &out.server},
                                    {"authority", &out.authority_pem},
                                    {"token", &out.token},
                                    {"service", &out.service},
                                    {"officer", &out.officer}}) {
    const auto* found = !bad && value.is_object() ? value.get_object().if_contains(name) : nullptr;
    if (found == nullptr || !found->is_string()) {
      return fail(fmt::format("{} is damaged: connect again", settings_of(directory).string()));
    }
    *field = found->get_string();
  }
  return out;
}

Result<void, std::string> save_home(const Home& home) {
  std::error_code error;
  fs::create_directories(home.directory, error);
  if (error) return fail(fmt::format("{} cannot be made: {}", home.directory.string(), error.message()));
  fs::permissions(home.directory, fs::perms::owner_all, error);
  const auto file = settings_of(home.directory);
  const fs::path next = file.string() + ".new";
  fs::remove(next, error);
  const std::string text = json::serialize(json::object{{"server", home.server},
                                                        {"authority", home.authority_pem},
                                                        {"token", home.token},
                                                        {"service", home.service},
                                                        {"officer", home.officer}});
  OPALINE_CHECK(records::write_new_file(next, as_view(text)));
  fs::rename(next, file, error);
  if (error) return fail(fmt::format("{} cannot be written: {}", file.string(), error.message()));
  return {};
}

}  // namespace opaline::officer
