#pragma once
// While `receive --follow` holds a home, it takes messages to send from other opaline processes of the same user over
// the socket HOME/opaline.sock (HTTP, JSON): POST /send {"to","text","until","wait_seconds","upload"} -> the lines of
// `send
// --json`; POST /resolve {"to"} -> {"account"}.
#include <memory>

#include "apps/opaline/agent_request.hpp"
#include "apps/opaline/commands.hpp"
#include "apps/opaline/context.hpp"
#include "apps/opaline/files.hpp"
#include "net/http_server.hpp"

namespace opaline::cli {

class Agent {
 public:
  /// nullptr if the socket cannot be made (a hint is printed): receiving works all the same.
  [[nodiscard]] static std::unique_ptr<Agent> start(Context& context, Files& files);
  ~Agent();
  /// Something happened: those who wait for a message's state are answered if it is so far.
  void look();
  /// Before the process ends: everybody who waits is answered, and nothing is taken any more.
  void end();

 private:
  class Waiting;
  Agent(Context& context, Files& files) : context_(context), files_(files) {}
  void resolve(const net::HttpRequest& request, net::HttpResponder responder);
  void handle(const net::HttpRequest& request, net::HttpResponder responder);
  Context& context_;
  Files& files_;
  std::vector<std::shared_ptr<Waiting>> waiting_;
  std::unique_ptr<net::HttpServer> server_;
  bool ended_ = false;
};

/// Asks the process that holds the home to send.
[[nodiscard]] Result<AccountId, client::Failure> resolve_through_agent(Context& context, const std::string& to);
[[nodiscard]] Exit send_through_agent(Context& context, const AgentSend& send);
/// Prints an event that is not in the history: states, typing, warnings.
void report_event(Context& context, const endpoint::Event& event);

}  // namespace opaline::cli
