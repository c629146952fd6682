/** Every limit of the gateway, with its reason. */
export interface GatewayLimits {
  readonly maxFrameBytes: number
  readonly maxConnections: number
  readonly maxInFlight: number
  readonly maxSubscriptions: number
  readonly maxBufferedBytes: number
  readonly keepAliveMs: number
  readonly closeGraceMs: number
  readonly requestTimeoutMs: number
}

export const gatewayLimits: GatewayLimits = {
  /** The kernel takes 1 MiB of text as input; as JSON in UTF-8 that is up to 3 MiB, or more where it must be escaped. */
  maxFrameBytes: 4 * 1024 * 1024,
  /** Terminals, channels and 500 busy sessions fit; a program that leaks connections is told so. */
  maxConnections: 1_024,
  /** Requests of one connection without an answer. Deep enough to keep group commit busy, small enough to bound memory. */
  maxInFlight: 256,
  /** Sessions that one connection follows at once. */
  maxSubscriptions: 64,
  /** Bytes that wait for a slow reader. One page of history with big bodies fits; a reader this far behind must come back. */
  maxBufferedBytes: 16 * 1024 * 1024,
  /** Time between pings. A peer that has not answered one before the next is dead. */
  keepAliveMs: 15_000,
  /** How long a stopping gateway waits for terminals to say goodbye. */
  closeGraceMs: 1_000,
  /** A request line and headers arrive at once from an honest terminal; a dripping or silent one is cut off. */
  requestTimeoutMs: 10_000,
}

/** A frame over `maxFrameBytes` by up to this factor is told what is wrong before the close; a larger one is cut off unread. */
export const oversizeFactor = 2
/** Nesting of a call's input. Schemas nest a handful of levels; recursion over hostile input would exhaust the stack. */
export const maxInputDepth = 100
/** Wrong fields named in one error; a person mends the first ones and tries again. */
export const maxNamedFields = 5
/** How much longer a silent socket may live than it should: Node itself looks every 30 s, and a flood kept terminals out for as long. */
export const timeoutLookShare = 0.2
/** 32 random bytes make a token; its base64url text has 43 characters. Anything shorter was not made by `createToken`. */
export const tokenBytes = 32
export const minTokenLength = 43

/** How long a record that nobody waits for is held for company: each write to a socket costs as much as making twenty frames. */
export const patientMs = 3

/** RFC 6455 section 5.5: a control frame has 125 bytes, two of them for the code. */
export const maxReasonBytes = 123
