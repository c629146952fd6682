/** Limits of the engine, each with its reason. Those of `ModelLimits` are handed in, so that a test need not wait for them. */

export interface ModelLimits {
  readonly firstByteMs: number
  readonly betweenBytesMs: number
  readonly maxTries: number
  readonly backoffBaseMs: number
  readonly backoffCapMs: number
  readonly retryAfterCapMs: number
  readonly firstTokenMs: number
  readonly betweenTokensMs: number
  readonly totalMs: number
  readonly maxRestarts: number
  readonly breakerFailures: number
  readonly breakerOpenMs: number
  readonly stopGraceMs: number
  readonly maxEventChars: number
  readonly maxAnswerChars: number
  readonly maxToolCalls: number
  readonly pauseAtChars: number
  readonly drainMs: number
}

export const modelLimits: ModelLimits = {
  /** From the request to the first byte: a long prompt on a busy service may think for a minute; two is a fault. */
  firstByteMs: 120_000,
  /** Silence inside an answer. Keep-alive comments are a sign of life; the turn's own time limit bounds the whole. */
  betweenBytesMs: 60_000,
  /** Tries with one model of the chain, the first included. */
  maxTries: 3,
  /** Full jitter: a wait is drawn between 0 and base × 2^(attempt−1), never over the cap. */
  backoffBaseMs: 250,
  backoffCapMs: 8_000,
  /** A service that asks for more patience than this is reported to the person instead of being waited for. */
  retryAfterCapMs: 30_000,
  /** From the try to its first event. Keep-alives are no events: a model may think for minutes unseen, but not for ever. */
  firstTokenMs: 300_000,
  /** Silence inside an answer while its connection is kept alive. Pieces of a tool call are no silence. */
  betweenTokensMs: 180_000,
  /** One generation with all its tries and waits. Under the 30 minutes of the call that asks for it, so that the reason is told. */
  totalMs: 20 * 60_000,
  /** How often a shown answer may begin anew: each costs what the first one did, and nobody trusts the fourth. */
  maxRestarts: 2,
  /** Failures in a row after which an endpoint is left alone, and for how long. */
  breakerFailures: 5,
  breakerOpenMs: 30_000,
  /** A try that was stopped may take this long to say what it used. Wires say it at once. */
  stopGraceMs: 1_000,
  /** One SSE event. Services that do not stream tool calls send all arguments in one. */
  maxEventChars: 8 * 1024 * 1024,
  /** All characters of one answer on the wire, framing included: 100 000 chunks are about 25 MB. */
  maxAnswerChars: 256 * 1024 * 1024,
  /** Far over what any model asks for at once; stops an index from making a huge list. */
  maxToolCalls: 256,
  /** Characters read ahead of a slow reader before the socket is paused. */
  pauseAtChars: 1024 * 1024,
  /** After the last event the connection may take this long to end by itself and be used again. */
  drainMs: 1_000,
}

/** Bytes of an error answer that are read; the message is far shorter. */
export const maxErrorBodyBytes: number = 64 * 1024

/** Bytes of one answer that are kept for the record; a longer one is kept cut, and cannot be replayed. */
export const maxRecordedBytes: number = 32 * 1024 * 1024

/** Ends of the last requests that are held for the next ones, of all conversations with a service; a larger one is held alone. */
export const maxHeldBodyChars: number = 4 * 1024 * 1024

/** Envelopes around the message of an error: the known ones have two, and a hostile one must not use up the stack. */
export const maxErrorDepth = 8

/** What is kept of an endpoint's own words in an error. */
export const endpointMessageChars = 300

/** Rule of thumb for English text and JSON, used only where an endpoint reports no usage. */
export const charsPerToken = 4

/** What a fallback model must be able to answer beside the request: less is cut off before it says anything useful. */
export const minFallbackOutputTokens = 1_024

/** What a picture or document is taken for when a request is measured against a fallback model's window. */
export const guessedMediaTokens = 2_000

/** The tokenizer's tables take tens of megabytes: the worker ends when nobody has counted for this long. */
export const tokenizerIdleMs = 30_000

/** Longest piece given to the tokenizer at once: its time grows faster than the length of an unbroken word. */
export const tokenizerPieceChars = 20_000

/** Files that one summary reads; each costs a tool call. */
export const summaryFiles = 20

/** Lines read of each file for a summary: enough to find its heading. */
export const summaryLines = 40

/** Depth of the listing that a summary starts from. */
export const summaryDepth = 3

/** Characters of one command that the offline interpreter looks at; more than the longest sensible quoted file. */
export const commandChars: number = 256 * 1024

/** Characters outside quotes: the grammar's time grows with the square of them. */
export const unquotedChars = 2_000

/** Characters of one tool result that the offline interpreter repeats. */
export const shownResultChars: number = 32 * 1024

/** Acts that `what did you do` lists, newest last. */
export const storyActs = 50

/** Request body that the scripted server accepts: over the largest conversation a test sends. */
export const maxScriptedRequestBytes: number = 64 * 1024 * 1024

/** As npm has it. */
export const maxPackageNameChars = 214

/** Least thinking budget that Anthropic Messages takes; less is no thinking. */
export const minThinkingTokens = 1_024

/** Longest tool name and document title that Anthropic Messages takes; a longer one refuses the whole conversation. */
export const maxToolNameChars = 128
export const maxDocumentTitleChars = 500

/** Longest arguments that are mended when they are no JSON: over what a gate takes, and mending them would block. */
export const maxRepairChars: number = 1024 * 1024

/** Wrappings of arguments that are taken off, one in another: models make two at most; more is hostile. */
export const maxRepairRounds = 8

/** Depth of objects and lists in arguments that are mended. */
export const maxLenientDepth = 200

/** A catalog of models: models.dev has 3 MB; this leaves it room to grow and keeps a hostile file out of memory. */
export const maxCatalogBytes: number = 32 * 1024 * 1024

/** An overlay is written by hand. */
export const maxOverlayBytes: number = 1024 * 1024

/** From the request for a catalog to its last byte. */
export const catalogDownloadMs = 60_000

/** Redirects within one host that a download follows: a moved file, and no circle. */
export const catalogRedirects = 3

/** Of models in a downloaded catalog, those that do not fit the schema are left out; over this part it is another schema. */
export const maxUnreadablePart = 0.1

/** Larger numbers of tokens and dearer tokens are mistakes. */
export const maxCatalogTokens = 1_000_000_000
export const maxDollarsPerMillion = 1_000_000

/** Longest name of a model that is looked up; comparing names takes time by the square of it. */
export const maxModelNameChars = 200

/** Names that are offered for one that is unknown. */
export const nearestNames = 3

/** Output of one answer, unless the configuration says more: what an agent needs, and no bill for a runaway answer. */
export const usualOutputTokens = 32_000

/** Longest id of a tool call that OpenAI's protocols take; foreign ids may be longer. */
export const openAiCallIdChars = 40

/** Longest name of a tool or schema at OpenAI. */
export const openAiNameChars = 64

/** Longest prompt cache key at OpenAI: a longer one refuses the request. */
export const openAiCacheKeyChars = 64

/** Most stop sequences of a chat completion. */
export const openAiStops = 4

/** Deepest schema that OpenAI's strict mode takes; deeper ones are sent without it. */
export const strictSchemaDepth = 10

/** Items of one answer beside its tool calls, and pieces of reasoning that a service wants back: real answers have tens. */
export const maxAnswerItems = 1_024

/** Longest name of a tool that is looked up by likeness. */
export const maxLikenessChars = 200

/** Levels of what a service wants back unchanged: real signatures lie two deep. */
export const sealedJsonDepth = 6

/** Models whose ratio of tokens is remembered; a person uses a few, a gateway tens. */
export const maxEstimatedModels = 256

/** Requests of a model that an estimate may start from: as many conversations may take turns without losing their place. */
export const maxRememberedRequests = 32

/** Texts of one request for embeddings: Gemini takes 100, the others more. */
export const maxEmbeddingTexts = 100

/** Characters of one request for embeddings: OpenAI takes 300 000 tokens, and a token may be one character. */
export const maxEmbeddingChars = 250_000

/** The answer to one request for embeddings, as long numbers of the largest models: 100 × 4 096 × 20 is 8 MB. */
export const maxEmbeddingAnswerChars: number = 32 * 1024 * 1024

/** Numbers of one vector: four times the largest that is known. */
export const maxDimensions = 16_384

/** Usual ports of Ollama, of llama.cpp and LocalAI, of LM Studio, and of vLLM. */
export const discoveryPorts: readonly number[] = [11434, 8080, 1234, 8000]

/** What listens on this machine answers in a few milliseconds; a first-run set-up waits for this. */
export const discoveryTimeoutMs = 300

/** One answer of a service on this machine: a list of hundreds of models, or a model with its licence. */
export const maxDiscoveryBytes: number = 2 * 1024 * 1024

/** Models of one service that are shown. */
export const maxDiscoveredModels = 200

/** Models of which Ollama is asked for more: each costs a request. */
export const maxModelsAskedFor = 24

/** Ollama cuts a conversation off at this length without a word, whatever the model could take, unless it is told otherwise. */
export const ollamaContextTokens = 4_096

/** Base64 of a picture that is read for its size: at first what nearly always does, then what a camera puts before it. */
export const imageHeaderChars: readonly number[] = [64 * 1024, 4 * 1024 * 1024]

/** More pages than this no vendor takes (Gemini 1 000, Anthropic 600, OpenAI 100): a larger count only needs to be too large. */
export const maxPdfPages = 1_000

/** What is inflated of a PDF to find its pages: object streams of long documents hold a few megabytes; a bomb stops here. */
export const maxPdfInflatedBytes: number = 8 * 1024 * 1024

/** Object streams of a PDF that are looked into; each holds a hundred objects or more. */
export const maxObjectStreams = 5_000

/** What a vendor's framing adds to each message, at most. */
export const requestMessageTokens = 8
