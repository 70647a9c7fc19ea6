#pragma once
// Linking a further device to an account: both sides, as far as they are no questions to a person. Protocol:
// session/link.hpp; exchange: link_exchange.hpp. Each step may be repeated after a crash: what the new device showed of
// itself is in its store before it leaves, and a home never becomes two devices.
#include <deque>
#include <optional>

#include "client/link_exchange.hpp"
#include "client/progress.hpp"
#include "client/service.hpp"
#include "client/sqlite_endpoint_store.hpp"
#include "endpoint/endpoint.hpp"
#include "session/link.hpp"

namespace opaline::client {

/// Waits so long; false: the person wants to end.
using Pause = std::function<bool(std::chrono::milliseconds)>;

/// The device that is to be linked.
class NewDeviceLinking {
 public:
  /// What it borrows must outlive it.
  struct Parts {
    net::EventLoop& loop;
    Service& service;
    const LocalStore& store;
    SqliteEndpointStore& rows;
    RandomSource& random;
    const Clock& clock;
  };
  NewDeviceLinking(const Parts& parts, std::string name, bool with_history);

  enum class Before : std::uint8_t { nothing, linked };
  /// What became of an earlier attempt in this home. nothing: there was none, or it can come to nothing any more.
  /// linked: it had come through, and this device is on the list. Where the other device may still agree to it, this
  /// waits for that, at most until its ten minutes are over (`on_wait` is called then). connect_failed and the like:
  /// not known.
  [[nodiscard]] static Result<Before, Failure> resume(const Parts& parts, const Pause& pause,
                                                      const std::function<void()>& on_wait);
  /// Whether resume() had found a linking that came through, or this object has made one, and finish() was not called.
  [[nodiscard]] static Result<bool, ClientError> unfinished(const LocalStore& store, RandomSource& random);
  /// Everything that belongs to the linking is done.
  [[nodiscard]] static Result<void, ClientError> finish(const LocalStore& store, RandomSource& random);

  struct Opened {
    SecretBytes code;    ///< to be shown as a QR code and as text, to nobody but the person
    std::string number;  ///< 9 digits
    seconds valid{};
  };
  /// Opens an exchange.
  [[nodiscard]] Result<Opened, Failure> open();

  struct Joined {};  ///< a device has taken up the exchange: the code is to be hidden
  struct Welcome {   ///< this device's keys are on their way to be added
    std::string handle;
    DeviceNumber device{};
  };
  struct Linked {};  ///< confirmed in the store
  using News = std::variant<std::monostate, Joined, session::LinkDigits, Welcome, Linked, session::LinkRefusal>;
  /// One turn of the exchange. connect_failed, timed_out: again. All else is the end: link_failed, the store's errors.
  [[nodiscard]] Result<News, Failure> poll();
  /// The person compared the digits.
  [[nodiscard]] Result<void, Failure> confirm(bool same);

 private:
  [[nodiscard]] Result<void, Failure> take(Result<session::LinkStep, session::Error> step);
  [[nodiscard]] Result<void, Failure> welcomed(const session::LinkWelcome& welcome);
  [[nodiscard]] Result<void, Failure> save(bool keys_sent) const;
  void give_up();

  Parts parts_;
  std::string name_;
  bool with_history_;
  session::LinkNewDevice link_;
  std::optional<LinkExchange> exchange_;
  SecretBytes secret_;
  Time over_at_{};
  std::vector<Bytes> to_send_;
  std::deque<News> news_;
  bool joined_ = false;
};

/// The primary device, which adds it.
class PrimaryLinking {
 public:
  /// `first`: the messages that came with the joining; `exchange` has counted them.
  PrimaryLinking(RandomSource& random, LinkExchange exchange, session::LinkPrimary link, std::vector<Bytes> first)
      : random_(random), exchange_(std::move(exchange)), link_(std::move(link)), first_(std::move(first)) {}

  using News = std::variant<std::monostate, session::LinkDigits, session::LinkProposal>;
  /// As NewDeviceLinking::poll. link_failed also: the other side has ended it.
  [[nodiscard]] Result<News, Failure> poll();
  /// The digits were the same.
  [[nodiscard]] Result<void, Failure> confirm();
  [[nodiscard]] session::DeviceList next_list(Time now) const { return link_.next_list(now); }
  /// The service has the list: tells the new device, if it is still there.
  void approve(const session::VerifiedDeviceList& list);
  /// Ends it, and tells the new device why where that is possible.
  void refuse(session::LinkRefusal reason);
  [[nodiscard]] const session::LinkExchangeId& exchange() const { return exchange_.id(); }

 private:
  [[nodiscard]] Result<void, Failure> take(Result<session::LinkStep, session::Error> step);
  void last(Result<session::LinkStep, session::Error> step);

  RandomSource& random_;
  LinkExchange exchange_;
  session::LinkPrimary link_;
  std::vector<Bytes> first_, to_send_;
  std::deque<News> news_;
};

/// Whether the service knows the device whose unconfirmed keys are in `rows`; tried on a copy, so that nothing changes.
/// `confirm` says how such a copy is made a registered device. connect_failed and the like: not known.
[[nodiscard]] Result<bool, Failure> known_to_service(
    const NewDeviceLinking::Parts& parts,
    const std::function<Result<void, endpoint::Error>(endpoint::EndpointStore&)>& confirm);

/// "my-laptop": what this machine is called, fit to be a device's name.
[[nodiscard]] std::string default_device_name();

}  // namespace opaline::client
