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
  readonly drainMs: number
}

export const gatewayLimits: GatewayLimits = {
  /** The kernel takes 1 MiB of text as input; as JSON in UTF-8 that is up to 3 MiB, or more where it must be escaped. */
  maxFrameBytes: 4 * 1024 * 1024,
  /** Terminals, channels and 500 busy sessions fit; a program that leaks connections gets an error. */
  maxConnections: 1_024,
  /** Unanswered requests of one connection. Deep enough to keep group commit busy, small enough to bound memory. */
  maxInFlight: 256,
  /** Sessions that one connection follows at once, at about 1 kB each: as many as a list of sessions shows. */
  maxSubscriptions: 10_000,
  /** Bytes buffered for a slow reader. One page of history with big bodies fits; a reader further behind must reconnect. */
  maxBufferedBytes: 16 * 1024 * 1024,
  /** Time between pings. A peer that does not answer one before the next is dead. */
  keepAliveMs: 15_000,
  /** How long a stopping gateway waits for terminals to close. */
  closeGraceMs: 1_000,
  /** An honest terminal sends request line and headers at once; a slow or silent one is disconnected. */
  requestTimeoutMs: 10_000,
  /** How long requests that are under way may take when the gateway closes; a guest stops within 5 s. */
  drainMs: 2_000,
}

/** A frame over `maxFrameBytes` by up to this factor gets an error before the close; a larger one is not read. */
export const oversizeFactor = 2
/** Nesting of a call's input. Schemas nest a few levels; recursion over hostile input would exhaust the stack. */
export const maxInputDepth = 100
/** Wrong fields named in one error; the caller corrects these and retries. */
export const maxNamedFields = 5
/** How often timeouts are checked, as a part of the timeout. Node's default of 30 s let a flood of sockets block terminals for as long. */
export const timeoutCheckPart = 0.2
/** 32 random bytes make a token; its base64url text has 43 characters. Anything shorter was not made by `createToken`. */
export const tokenBytes = 32
export const minTokenLength = 43

/** How long a record that nobody waits for is held back to leave with others: a write to a socket costs as much as making twenty frames. */
export const batchMs = 3

/** The past of a session waits while more than this part of `maxBufferedBytes` is still on its way to the reader. */
export const pastBufferPart = 0.25

/** RFC 6455 section 5.5: a control frame has 125 bytes, two of them for the code. */
export const maxReasonBytes = 123

/** Where the configuration does not say: requests of one API key. */
export const defaultRequestsPerMinute = 600
/** Of the requests of a minute, the part that may come at once. */
export const burstPart = 0.2
/** Checks of the secret of one API key, 50 ms each; one that was checked stays known. */
export const guessesPerMinute = 30
/** Requests without a valid key from one address, before they are answered with 429. */
export const failuresPerMinute = 120
/** Keys and addresses that are remembered. */
export const keptClients = 1_000
/** Headers of a request: bytes, and their number. */
export const maxHeaderBytes: number = 16 * 1024
export const maxHeaders = 100
/** How long a client may go on sending a body that nobody reads, so that it sees the answer. */
export const unreadBodyMs = 1_000
/** When a client should ask again after a stop. */
export const retryAfterStopS = 2
/** Answers to requests with an Idempotency-Key that are kept in memory; the journal answers for older ones. */
export const keptResponseBytes: number = 16 * 1024 * 1024
/** What one counts until it is there, and in addition to its body. */
export const expectedResponseBytes: number = 4 * 1024
/** Conversations of OpenAI's interface whose session is known. */
export const keptConversations = 10_000
export const maxPage = 10_000
/** Bytes that wait for a slow reader of a stream, and how often a silent stream shows that it lives. */
export const maxStreamBytes = 4 * 1024 * 1024
export const streamPingMs = 15_000

/** One piece of a file that is downloaded or uploaded: what `file.download` and `file.upload` take. */
export const downloadPieceBytes: number = 1024 * 1024
export const maxUploadedBytes: number = 1024 * 1024 * 1024
/** Bytes by which the type of a file is found. */
export const sniffedBytes = 4_096
/** Pieces that one address names, 65 characters each: 100 MB. */
export const maxUrlPieces = 48
export const keptPieceSizes = 10_000
/** A body may pause for this long in all, and more as it arrives: each of these bytes gives it a second. */
export const bodyGraceMs = 10_000
export const minBodyBytesPerS: number = 16 * 1024

/** A link of the web application: long enough to walk to a browser, and one terminal needs few. */
export const signInCodeMs: number = 10 * 60_000
export const maxSignInCodes = 20
export const maxSignInBytes = 1_024
/** A browser stays signed in for 30 days. */
export const webSessionMs: number = 30 * 24 * 60 * 60_000

/** Sign-ins by OpenID Connect that wait for a browser or a terminal: each is some hundred bytes, and ends after ten minutes. */
export const maxSignIns = 500
export const maxDeviceSignIns = 50
/** The page takes its code at once. */
export const handOverMs = 60_000
/** The provider: its clock may differ by this much, and it answers by then. What it says of itself is kept; after a failure it is asked again. */
export const clockSkewS = 30
export const providerTimeoutS = 10
export const providerKeptMs: number = 60 * 60_000
export const providerAgainMs = 10_000
/** Texts of claims, and groups of one person: Entra ID names 200 in a token. */
export const maxClaimChars = 500
export const maxGroups = 2_000
/** How often it is looked at whose groups are to be looked up again. */
export const refreshCheckMs = 1_000

/** A2A: parts of one message; requests of one client that are under way; the wait for a task that was cancelled; cards, by host. */
export const maxMessageParts = 100
export const maxTaskStreams = 64
export const taskWaitMs = 5_000
export const keptCards = 100
/** Push notifications: one request, the waits before it is tried again, and the tasks that are watched for them. */
export const pushTimeoutMs = 5_000
export const pushRetriesMs: readonly number[] = [1_000, 5_000, 30_000]
export const maxWatchedTasks = 256

/** Sessions over MCP: of one key, and of all. An idle one without a stream ends after an hour; its program begins another. */
export const maxMcpSessionsOfKey = 32
export const maxMcpSessions = 256
export const mcpIdleMs: number = 60 * 60_000
/** How often it is looked at whether keys still hold, and whether tools have changed. */
export const mcpCheckMs = 5_000
/** For what was refused at the end, or says why an answer ends, to leave. */
export const flushMs = 100
/** What a session has sent and keeps for a program whose stream broke. */
export const maxMcpEvents = 500
export const maxMcpEventBytes: number = 2 * 1024 * 1024
/** Resources that one program follows. */
export const maxMcpListeners = 64
/** Messages of one session that are answered at once. */
export const maxMcpInFlight = 64
export const maxMcpPage = 200
/** A file as a resource is read page by page through the gate. */
export const maxResourceBytes: number = 512 * 1024
/** How long a request for the result of a call that waits stays open. */
export const mcpWaitMs = 20_000
export const maxMcpWaitS = 50
/** What of the input of a call is shown in a question. */
export const maxShownInput = 2_000
/** A followed file is looked at this long after the first call that may have changed it. */
export const resourceRestMs = 300
/** Published agents are loaded this long after a start, so that it does not wait for them. */
export const a2aDelayMs = 500
/** A crash may end the call that releases an answer; the next one asks again. */
export const maxReleaseTries = 5
/** The runner signs a card at once, or does not run. */
export const signTimeoutMs = 3_000
