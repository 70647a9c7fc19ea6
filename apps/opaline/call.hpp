#pragma once
// Calls of proto/device.proto from a command.
#include "apps/opaline/agent.hpp"
#include "apps/opaline/commands.hpp"
#include "proto/device.pb.h"

namespace opaline::cli {

inline constexpr std::chrono::seconds kAnswerWithin{20};

/// Calls one method and waits for the answer. What Client::call says; protocol.
template <class Reply>
[[nodiscard]] Result<Reply, client::Failure> call(Context& context, wire::v1::Method method,
                                                  const google::protobuf::MessageLite& request) {
  const auto body = await<Bytes>(context, kAnswerWithin, [&](auto done) {
    context.client().call(static_cast<std::uint16_t>(method), as_view(request.SerializeAsString()), done);
  });
  if (!body) return fail(body.error());
  Reply reply;
  if (!reply.ParseFromArray(body->data(), static_cast<int>(body->size())))
    return fail(client::Failure{client::ClientError::protocol, "the server's answer makes no sense"});
  return reply;
}

[[nodiscard]] inline Result<void, client::Failure> open_and_connect(Context& context) {
  OPALINE_CHECK(open_or_borrow(context));
  return context.connect(kAnswerWithin);
}

struct LookUpOutcome {
  std::vector<client::LookedUp> answers;   ///< as many as handles, in their order
  std::optional<client::Failure> failure;  ///< why some were not answered
};
/// Asks who is here, and waits for all answers: Client::look_up. timed_out.
[[nodiscard]] Result<LookUpOutcome, client::Failure> look_up(Context& context, const std::vector<std::string>& handles,
                                                             bool again, std::chrono::seconds within);

}  // namespace opaline::cli
