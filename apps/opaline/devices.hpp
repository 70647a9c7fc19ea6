#pragma once
// What the commands about one's own devices share.
#include "apps/opaline/context.hpp"
#include "session/link.hpp"

namespace opaline::cli {

/// Shows the digits and asks whether the other screen has the same; false also at the end of standard input.
[[nodiscard]] bool same_digits(Context& context, const session::LinkDigits& digits);
/// A question that only "yes" (or "y") answers.
[[nodiscard]] bool agrees(const std::string& question);
/// The account's first handle, from the service; texts of this device name it from now on.
[[nodiscard]] Result<std::string, client::Failure> own_handle(Context& context);
/// A part of the history came: a bar for people, an object for programs.
void report_history(Context& context, const endpoint::HistoryArrived& arrived);
/// "laptop", or "device 3" where it has said no name.
[[nodiscard]] std::string device_label(const endpoint::OwnDevice& device);
[[nodiscard]] std::string device_label(const std::vector<endpoint::OwnDevice>& devices, DeviceNumber number);

}  // namespace opaline::cli
