#include <fmt/format.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "apps/opalined/commands.hpp"
#include "crypto/random.hpp"
#include "server/dev.hpp"
#include "server/server.hpp"

namespace opaline::daemon {
namespace {

void print(const server::ConfigProblems& problems) {
  for (const auto& problem : problems) fmt::print(stderr, "opalined: {}\n", problem.text());
}

void greet(const server::DevFiles& files, const server::ServerPorts& ports) {
  fmt::print(
      "opalined for development, everything in {0}\n"
      "  devices   https://localhost:{1}   (clients: --server https://localhost:{1} --ca {2})\n"
      "  codes     {3}\n"
      "  operators http://127.0.0.1:{4}   (a token: opalined --dev {0} admin operator create NAME --role owner)\n"
      "  metrics   http://127.0.0.1:{5}/metrics\n"
      "Ctrl-C ends it.\n",
      files.directory.string(), ports.public_port, files.authority.string(), files.outbox.string(), ports.operator_port,
      ports.metrics_port);
  std::fflush(stdout);
}

/// The public port of the server whose ports file this is; nullopt: none runs.
std::optional<std::uint16_t> running_port(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  boost::system::error_code error;
  const auto value = boost::json::parse(text.str(), error);
  const auto* port = error ? nullptr : value.find_pointer("/public", error);
  if (error || port == nullptr || !port->is_int64()) return std::nullopt;
  return static_cast<std::uint16_t>(port->get_int64());
}

}  // namespace

std::optional<server::LoadedConfig> load(const GlobalOptions& options, bool check) {
  auto file = options.config_file;
  auto overrides = options.overrides;
  if (options.dev) {
    const server::DevFiles files(*options.dev);
    if (check || !std::filesystem::exists(files.config)) {  // a command beside a running server changes nothing
      const auto made = server::prepare_dev(*options.dev, SystemClock().now());
      if (!made) {
        failed(made.error());
        return std::nullopt;
      }
    }
    file = files.config;
    if (options.port) {
      if (*options.port > 65'532) {
        fmt::print(stderr, "opalined: --port: at most 65532, for the next three are used too\n");
        return std::nullopt;
      }
      const auto ports = server::dev_port_overrides(*options.port);
      overrides.insert(overrides.begin(), ports.begin(), ports.end());
    }
  }
  if (!options.role.empty()) overrides.push_back("server.role=\"" + options.role + "\"");
  if (options.dev && options.role == "gateway") {
    // The server that runs there, wherever the kernel let it listen.
    if (const auto port = running_port(server::DevFiles(*options.dev).ports))
      overrides.insert(overrides.begin(), fmt::format("business.service=\"https://localhost:{}\"", *port));
  }
  auto loaded = server::load_config(file, overrides);
  if (!loaded) {
    print(loaded.error());
    return std::nullopt;
  }
  if (const auto problems = check ? server::check_config(*loaded) : server::ConfigProblems{}; !problems.empty()) {
    print(problems);
    return std::nullopt;
  }
  return std::move(*loaded);
}

Exit failed(std::string_view sentence) {
  fmt::print(stderr, "opalined: {}\n", sentence);
  return Exit::failed;
}

Result<std::unique_ptr<server::JsonLog>, std::string> open_log(const server::Config& config, const Clock& clock) {
  auto log = server::JsonLog::open(
      {.level = config.log.level, .file = config.log.file, .warnings_per_minute = config.log.warnings_per_minute},
      clock);
  if (!log) return fail("log.file: " + log.error());
  return log;
}

Exit check(const GlobalOptions& options) {
  const auto loaded = load(options, true);
  if (!loaded) return Exit::usage;
  fmt::print("the configuration is good\n");
  return Exit::ok;
}

Exit serve(const GlobalOptions& options) {
  const auto loaded = load(options, true);
  if (!loaded) return Exit::usage;
  const auto& config = loaded->config;
  if (config.server.role == server::Role::gateway) return serve_gateway(config);
  if (config.server.role == server::Role::sms) return serve_sms(config);
  const SystemClock clock;
  crypto::SystemRandom random;
  const auto log = open_log(config, clock);
  if (!log) return failed(log.error());
  auto node = server::Server::open(config, {.log = **log, .clock = clock, .random = random});
  if (!node) {
    if (!config.log.file.empty()) (*log)->event(LogLevel::error, "start_failed", {{"error", node.error()}});
    return failed(node.error());
  }
  if (options.dev) greet(server::DevFiles(*options.dev), (*node)->ports());
  (void)(*node)->run();  // whether devices had to be cut is in the log
  return Exit::ok;
}

}  // namespace opaline::daemon
