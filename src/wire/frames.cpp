#include "wire/frames.hpp"

namespace opaline::wire {
namespace {

/// Writes the header, lets `body` append, then fills in the length.
template <class Body>
void frame(Bytes& batch, FrameType type, Body body) {
  const std::size_t start = batch.size();
  Writer out(batch);
  out.u8(static_cast<std::uint8_t>(type)).u24(0);
  body(out);
  const std::size_t size = batch.size() - start - kFrameHeaderBytes;
  OPALINE_ASSERT(size <= kMaxFrameBodyBytes);
  batch[start + 1] = static_cast<std::byte>(size >> 16 & 255);
  batch[start + 2] = static_cast<std::byte>(size >> 8 & 255);
  batch[start + 3] = static_cast<std::byte>(size & 255);
}

template <class Id>
Id read_id(Reader& in) {
  return Id(in.array<Id::kSize>());
}

bool known(Binding b) {
  return b == Binding::none || b == Binding::tls_exporter;
}

using Parsed = Result<Frame, FrameError>;

/// A frame whose body must be used up exactly.
template <class F>
Parsed whole(const Reader& in, const F& frame) {
  if (!in.finished()) return fail(FrameError::malformed);
  return Frame(frame);
}

Parsed parse_hello(Reader in) {
  Hello f;
  f.min_version = in.u16();
  f.max_version = in.u16();
  f.nonce = in.array<kNonceBytes>();
  f.binding = Binding(in.u8());
  f.server_name = in.bytes(in.u8());
  if (!known(f.binding) || f.server_name.size() > kMaxServerNameBytes) return fail(FrameError::malformed);
  return whole(in, f);
}

Parsed parse_auth(Reader in) {
  Auth f;
  f.version = in.u16();
  f.account = read_id<AccountId>(in);
  f.device = DeviceNumber(in.u32());
  f.binding = Binding(in.u8());
  f.signature = in.bytes(kAuthSignatureBytes);
  if (!known(f.binding)) return fail(FrameError::malformed);
  return whole(in, f);
}

Parsed parse_ready(Reader in) {
  Ready f;
  const std::uint64_t millis = in.u64();
  if (millis > INT64_MAX) return fail(FrameError::malformed);
  f.server_time = from_unix_millis(static_cast<std::int64_t>(millis));
  f.credit_envelopes = in.u32();
  f.credit_bytes = in.u32();
  f.mailbox = read_id<MailboxId>(in);
  return whole(in, f);
}

Parsed parse_route(Reader in) {
  Route f;
  f.route = in.u16();
  f.mailbox = read_id<MailboxId>(in);
  f.token = in.array<kSendTokenBytes>();
  return whole(in, f);
}

Parsed parse_submit(Reader in) {
  Submit f;
  f.route = in.u16();
  const std::uint8_t envelope_class = in.u8();
  f.envelope_class = EnvelopeClass(envelope_class);
  f.id = read_id<EnvelopeId>(in);
  f.ciphertext = in.rest();
  if (f.ciphertext.size() > kMaxEnvelopeBytes) return fail(FrameError::oversized);
  if (f.ciphertext.empty() || envelope_class > 1) return fail(FrameError::malformed);
  return whole(in, f);
}

Parsed parse_result(Reader in) {
  ResultFrame f{in.rest()};
  if (f.ranges.empty() || f.ranges.size() % kResultRangeBytes != 0) return fail(FrameError::malformed);
  for (std::size_t i = 0; i < f.size(); ++i) {
    const ResultRange range = f.at(i);
    if (range.count == 0 || static_cast<std::uint8_t>(range.status) > kLastSubmitStatus)
      return fail(FrameError::malformed);
  }
  return Frame(f);
}

Parsed parse_push(Reader in) {
  Push f;
  f.subscription = in.u8();
  const std::uint8_t flags = in.u8();
  f.gap = flags == 1;
  f.id = read_id<EnvelopeId>(in);
  f.ciphertext = in.rest();
  if (f.ciphertext.size() > kMaxEnvelopeBytes) return fail(FrameError::oversized);
  if (f.ciphertext.empty() || flags > 1) return fail(FrameError::malformed);
  return whole(in, f);
}

Parsed parse_goodbye(Reader in) {
  Goodbye f;
  const std::uint16_t code = in.u16();
  f.code = GoodbyeCode(code);
  f.text = in.rest();
  if (f.text.size() > kMaxGoodbyeTextBytes) return fail(FrameError::malformed);
  return whole(in, f);
}

Parsed parse_call(Reader in) {
  Call f;
  f.id = in.u32();
  f.method = in.u16();
  f.body = in.rest();
  return whole(in, f);
}

Parsed parse_reply(Reader in) {
  Reply f;
  f.id = in.u32();
  f.status = in.u16();
  f.body = in.rest();
  return whole(in, f);
}

Parsed parse_notice(Reader in) {
  Notice f;
  f.kind = in.u16();
  f.body = in.rest();
  return whole(in, f);
}

Parsed parse_credit(Reader in) {
  Credit f;
  f.envelopes = in.u32();
  f.bytes = in.u32();
  return whole(in, f);
}

Parsed parse_body(FrameType type, Reader in) {
  switch (type) {
    case FrameType::hello:
      return parse_hello(in);
    case FrameType::auth:
      return parse_auth(in);
    case FrameType::ready:
      return parse_ready(in);
    case FrameType::route:
      return parse_route(in);
    case FrameType::submit:
      return parse_submit(in);
    case FrameType::result:
      return parse_result(in);
    case FrameType::clear: {
      const Clear f{in.u16()};
      return whole(in, f);
    }
    case FrameType::push:
      return parse_push(in);
    case FrameType::ack: {
      const Ack f{in.u32()};
      return whole(in, f);
    }
    case FrameType::drained: {
      const Drained f{in.u8()};
      return whole(in, f);
    }
    case FrameType::credit:
      return parse_credit(in);
    case FrameType::call:
      return parse_call(in);
    case FrameType::reply:
      return parse_reply(in);
    case FrameType::notice:
      return parse_notice(in);
    case FrameType::goodbye:
      return parse_goodbye(in);
  }
  return fail(FrameError::unknown_type);
}

}  // namespace

ResultRange ResultFrame::at(std::size_t i) const {
  Reader in(ranges.subspan(i * kResultRangeBytes, kResultRangeBytes));
  ResultRange out;
  out.first = in.u32();
  out.count = in.u16();
  out.status = SubmitStatus(in.u8());
  return out;
}

Result<Frame, FrameError> FrameReader::next() {
  const std::uint8_t type = in_.u8();
  const std::uint32_t size = in_.u24();
  if (in_.failed()) return fail(FrameError::truncated);
  if (size > kMaxFrameBodyBytes) return fail(FrameError::oversized);
  const ByteView body = in_.bytes(size);
  if (in_.failed()) return fail(FrameError::truncated);
  return parse_body(FrameType(type), Reader(body));
}

void encode(Bytes& batch, const Hello& f) {
  OPALINE_ASSERT(f.server_name.size() <= kMaxServerNameBytes);
  frame(batch, FrameType::hello, [&](Writer& out) {
    out.u16(f.min_version).u16(f.max_version).bytes(f.nonce).u8(static_cast<std::uint8_t>(f.binding));
    out.u8(static_cast<std::uint8_t>(f.server_name.size())).bytes(f.server_name);
  });
}

void encode(Bytes& batch, const Auth& f) {
  OPALINE_ASSERT(f.signature.size() == kAuthSignatureBytes);
  frame(batch, FrameType::auth, [&](Writer& out) {
    out.u16(f.version).bytes(f.account.view()).u32(static_cast<std::uint32_t>(f.device));
    out.u8(static_cast<std::uint8_t>(f.binding)).bytes(f.signature);
  });
}

void encode(Bytes& batch, const Ready& f) {
  frame(batch, FrameType::ready, [&](Writer& out) {
    out.u64(static_cast<std::uint64_t>(unix_millis(f.server_time))).u32(f.credit_envelopes).u32(f.credit_bytes);
    out.bytes(f.mailbox.view());
  });
}

void encode(Bytes& batch, const Route& f) {
  frame(batch, FrameType::route, [&](Writer& out) { out.u16(f.route).bytes(f.mailbox.view()).bytes(f.token); });
}

void encode(Bytes& batch, const Submit& f) {
  frame(batch, FrameType::submit, [&](Writer& out) {
    out.u16(f.route).u8(static_cast<std::uint8_t>(f.envelope_class)).bytes(f.id.view()).bytes(f.ciphertext);
  });
}

void encode_results(Bytes& batch, std::span<const ResultRange> ranges) {
  OPALINE_ASSERT(!ranges.empty());
  frame(batch, FrameType::result, [&](Writer& out) {
    for (const ResultRange& r : ranges) out.u32(r.first).u16(r.count).u8(static_cast<std::uint8_t>(r.status));
  });
}

void encode(Bytes& batch, const Clear& f) {
  frame(batch, FrameType::clear, [&](Writer& out) { out.u16(f.route); });
}

void encode(Bytes& batch, const Push& f) {
  frame(batch, FrameType::push,
        [&](Writer& out) { out.u8(f.subscription).u8(f.gap ? 1 : 0).bytes(f.id.view()).bytes(f.ciphertext); });
}

void encode(Bytes& batch, const Ack& f) {
  frame(batch, FrameType::ack, [&](Writer& out) { out.u32(f.number); });
}

void encode(Bytes& batch, const Drained& f) {
  frame(batch, FrameType::drained, [&](Writer& out) { out.u8(f.subscription); });
}

void encode(Bytes& batch, const Credit& f) {
  frame(batch, FrameType::credit, [&](Writer& out) { out.u32(f.envelopes).u32(f.bytes); });
}

void encode(Bytes& batch, const Call& f) {
  frame(batch, FrameType::call, [&](Writer& out) { out.u32(f.id).u16(f.method).bytes(f.body); });
}

void encode(Bytes& batch, const Reply& f) {
  frame(batch, FrameType::reply, [&](Writer& out) { out.u32(f.id).u16(f.status).bytes(f.body); });
}

void encode(Bytes& batch, const Notice& f) {
  frame(batch, FrameType::notice, [&](Writer& out) { out.u16(f.kind).bytes(f.body); });
}

void encode(Bytes& batch, const Goodbye& f) {
  const ByteView text = f.text.first(std::min(f.text.size(), kMaxGoodbyeTextBytes));
  frame(batch, FrameType::goodbye, [&](Writer& out) { out.u16(static_cast<std::uint16_t>(f.code)).bytes(text); });
}

Bytes auth_message(const Auth& auth, const Hello& hello, ByteView binding_bytes) {
  Bytes out;
  Writer(out)
      .u16(auth.version)
      .bytes(auth.account.view())
      .u32(static_cast<std::uint32_t>(auth.device))
      .bytes(hello.nonce)
      .u8(static_cast<std::uint8_t>(hello.server_name.size()))
      .bytes(hello.server_name)
      .u8(static_cast<std::uint8_t>(auth.binding))
      .bytes(binding_bytes);
  return out;
}

}  // namespace opaline::wire
