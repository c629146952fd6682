/** Every limit of the client, with its reason. */
export interface ClientLimits {
  readonly maxFrameBytes: number
  readonly maxWaiting: number
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
  /** What the gateway reads in one frame. Refused here, because there it costs the connection. */
  maxFrameBytes: 4 * 1024 * 1024,
  /** Requests without an answer, also those that wait for a connection. With a subscription for each session that can be followed it stays under the 256 that the gateway takes. */
  maxWaiting: 150,
  /** From the first packet to the guest's hello. Loopback answers in milliseconds; a machine that swaps in seconds. */
  openTimeoutMs: 10_000,
  /** An answer of the kernel is one group commit away. Time without a connection does not count. */
  requestTimeoutMs: 30_000,
  /** A call may run a tool, which has its own limit in the guest; this one only bounds the wait for a lost guest. */
  callTimeoutMs: 30 * 60_000,
  /** The gateway pings every 15 s; three missed and the peer is gone. */
  silenceMs: 45_000,
  /** Delay before the first try to come back: at most this, by chance, so that many terminals do not come at once. */
  retryFirstMs: 250,
  /** The delay doubles up to this: a person who starts the guest again sees it within seconds. */
  retryMostMs: 5_000,
  /** A guest that is away for a day does not come back under the same address. */
  giveUpMs: 24 * 60 * 60_000,
  /** A goodbye that is not answered must not hold up a terminal that exits. */
  closeTimeoutMs: 1_000,
}

/** The largest frame that is read: a record with its whole body. */
export const maxReadBytes: number = 64 * 1024 * 1024
/** What is read of the answer to a connection that was turned away. */
export const maxRefusalBytes: number = 16 * 1024
