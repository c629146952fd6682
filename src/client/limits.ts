/** Every limit of the client, with its reason. */
export interface ClientLimits {
  readonly maxFrameBytes: number
  readonly maxWaiting: number
  readonly maxSubscribing: number
  readonly openTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly callTimeoutMs: number
  readonly silenceMs: number
  readonly retryFirstMs: number
  readonly retryMostMs: number
  readonly giveUpMs: number
  readonly closeTimeoutMs: number
}

export const clientLimits: ClientLimits = {
  /** The gateway's limit for one frame. Checked here, because there it costs the connection. */
  maxFrameBytes: 4 * 1024 * 1024,
  /** Unanswered requests, including those that wait for a connection. With `maxSubscribing` this stays under the gateway's 256. */
  maxWaiting: 150,
  /** Subscriptions that are sent and not answered: after a reconnect hundreds of sessions continue at once. */
  maxSubscribing: 64,
  /** From the first packet to the guest's hello. Loopback takes milliseconds, a swapping machine seconds. */
  openTimeoutMs: 10_000,
  /** The kernel answers after one group commit. Time without a connection does not count. */
  requestTimeoutMs: 30_000,
  /** A call may run a tool, which has its own limit in the guest; this one bounds the wait for a guest that is gone. */
  callTimeoutMs: 30 * 60_000,
  /** The gateway pings every 15 s; after three missed pings the peer is gone. */
  silenceMs: 45_000,
  /** Upper bound of the random delay before the first retry: many terminals must not reconnect at once. */
  retryFirstMs: 250,
  /** The delay doubles up to this: a terminal finds a restarted guest within seconds. */
  retryMostMs: 5_000,
  /** A guest that is gone for a day does not return at the same address. */
  giveUpMs: 24 * 60 * 60_000,
  /** An unanswered close frame must not hold up a terminal that exits. */
  closeTimeoutMs: 1_000,
}

/** The largest frame that the client reads: a record with its whole body. */
export const maxReadBytes: number = 64 * 1024 * 1024
/** How much the client reads of the answer to a refused connection. */
export const maxRefusalBytes: number = 16 * 1024
