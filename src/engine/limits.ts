/** Limits of the engine, each with its reason. `ModelLimits` are passed in, so that a test need not wait for them. */

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

/** The limits of every exchange with a model, unless an endpoint has its own. */
export const modelLimits: ModelLimits = {
  /** From the request to the first byte: a long prompt on a busy service may take a minute; two is a fault. */
  firstByteMs: 120_000,
  /** Between two reads inside an answer. Keep-alive comments count; the time limit of the turn bounds the whole. */
  betweenBytesMs: 60_000,
  /** Tries with one model of the chain, the first included. */
  maxTries: 3,
  /** Full jitter: a wait is random between 0 and base × 2^(attempt−1), at most the cap. */
  backoffBaseMs: 250,
  backoffCapMs: 8_000,
  /** A longer `Retry-After` is not waited for: the next model is asked, or the failure is reported. */
  retryAfterCapMs: 30_000,
  /** From the try to its first event. Keep-alives are not events: a model may reason for minutes without output, but not without end. */
  firstTokenMs: 300_000,
  /** Between two events inside an answer while keep-alives arrive. Pieces of a tool call count as events. */
  betweenTokensMs: 180_000,
  /** One generation with all its tries and waits. Less than the 30 minutes of `model.generate`, so that this reason is reported. */
  totalMs: 20 * 60_000,
  /** How often an answer that was already shown may restart: each restart costs as much as the first try. */
  maxRestarts: 2,
  /** Failures in a row after which an endpoint is not asked, and for how long. */
  breakerFailures: 5,
  breakerOpenMs: 30_000,
  /** How long a stopped try may take to report its usage. Wires report it at once. */
  stopGraceMs: 1_000,
  /** One SSE event. Services that do not stream tool calls send all arguments in one. */
  maxEventChars: 8 * 1024 * 1024,
  /** All characters of one answer on the wire, framing included: 100 000 chunks are about 25 MB. */
  maxAnswerChars: 256 * 1024 * 1024,
  /** Far more than any model asks for at once; keeps a hostile index from making a huge list. */
  maxToolCalls: 256,
  /** Characters read ahead of a slow reader before the socket is paused. */
  pauseAtChars: 1024 * 1024,
  /** How long after the last event the response may take to end, so that its connection is reused. */
  drainMs: 1_000,
}

/** Bytes of an error answer that are read; the message is far shorter. */
export const maxErrorBodyBytes: number = 64 * 1024

/** Bytes of one answer that are recorded; a longer one is truncated and cannot be replayed. */
export const maxRecordedBytes: number = 32 * 1024 * 1024

/** Ends of the last requests that are held for the next ones, of all conversations with a service; a larger one is held alone. */
export const maxHeldBodyChars: number = 4 * 1024 * 1024

/** Envelopes around the message of an error. Real services use at most two; the limit keeps a hostile one from exhausting the stack. */
export const maxErrorDepth = 8

/** What is kept of an endpoint's own words in an error. */
export const endpointMessageChars = 300

/** Rule of thumb for English text and JSON, where nothing exact is known. */
export const charsPerToken = 4

/** Output that must fit next to the request in a fallback model's window: a shorter answer is rarely useful. */
export const minFallbackOutputTokens = 1_024

/** Estimate for a picture or document when a request is measured against a fallback model's window. */
export const guessedMediaTokens = 2_000

/** The tokenizer's tables take tens of megabytes: its worker ends after this long without a count. */
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

/** Request body that the scripted server accepts: more than the largest conversation of a test. */
export const maxScriptedRequestBytes: number = 64 * 1024 * 1024

/** Limit of npm. */
export const maxPackageNameChars = 214

/** Minimum thinking budget of Anthropic Messages; a smaller one turns thinking off. */
export const minThinkingTokens = 1_024

/** Longest tool name and document title of Anthropic Messages, which refuses the whole conversation for a longer one. */
export const maxToolNameChars = 128
export const maxDocumentTitleChars = 500

/** Longest arguments that are repaired when they are not JSON: the gate takes no longer ones, and repairing blocks the event loop. */
export const maxRepairChars: number = 1024 * 1024

/** Nested wrappings that are removed from arguments: models make at most two. */
export const maxRepairRounds = 8

/** Depth of objects and lists in arguments that are repaired. */
export const maxLenientDepth = 200

/** A catalog of models: models.dev's has 3 MB. Keeps a hostile file out of memory. */
export const maxCatalogBytes: number = 32 * 1024 * 1024

/** An overlay is written by hand. */
export const maxOverlayBytes: number = 1024 * 1024

/** From the request for a catalog to its last byte. */
export const catalogDownloadMs = 60_000

/** Redirects within one host that a download follows. */
export const catalogRedirects = 3

/** Share of models in a downloaded catalog that may not fit the schema and are left out; with more, the catalog is refused. */
export const maxUnreadablePart = 0.1

/** Larger numbers of tokens and dearer tokens are mistakes. */
export const maxCatalogTokens = 1_000_000_000
export const maxDollarsPerMillion = 1_000_000

/** Longest name of a model that is looked up: comparing names takes quadratic time. */
export const maxModelNameChars = 200

/** Suggestions for an unknown name. */
export const nearestNames = 3

/** Output of one answer unless the configuration sets more: enough for an agent, and a bound on the cost of a runaway answer. */
export const usualOutputTokens = 32_000

/** Longest id of a tool call that OpenAI's protocols take; foreign ids may be longer. */
export const openAiCallIdChars = 40

/** Longest name of a tool or schema at OpenAI. */
export const openAiNameChars = 64

/** Longest prompt cache key at OpenAI, which refuses the request for a longer one. */
export const openAiCacheKeyChars = 64

/** Most stop sequences of a chat completion. */
export const openAiStops = 4

/** Depth of schemas that OpenAI's strict mode accepts; deeper ones are sent without it. */
export const strictSchemaDepth = 10

/** Items of one answer besides its tool calls, and pieces of reasoning that a service wants back: real answers have tens. */
export const maxAnswerItems = 1_024

/** Longest name of a tool that is looked up by likeness. */
export const maxLikenessChars = 200

/** Depth of data that a service wants back unchanged: real signatures are two levels deep. */
export const sealedJsonDepth = 6

/** Models whose ratio of tokens is remembered. */
export const maxEstimatedModels = 256

/** Requests of a model that an estimate may start from: one for each conversation that runs at the same time. */
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

/** Servers on this machine answer within milliseconds, and `oxbow models --discover` waits this long. */
export const discoveryTimeoutMs = 300

/** A service that a person named while setting it up, anywhere: longer is longer than a person waits for an offer. */
export const addressTimeoutMs = 3_000

/** One answer of a service on this machine: a list of hundreds of models, or a model with its licence. */
export const maxDiscoveryBytes: number = 2 * 1024 * 1024

/** Models of one service that are shown. */
export const maxDiscoveredModels = 200

/** Models whose details Ollama is asked for: each costs a request. */
export const maxModelsAskedFor = 24

/** Ollama silently truncates a conversation at this length, whatever the window of the model, unless it is configured otherwise. */
export const ollamaContextTokens = 4_096

/** Base64 of a picture that is read to find its size: the first length is nearly always enough; cameras put metadata before it. */
export const imageHeaderChars: readonly number[] = [64 * 1024, 4 * 1024 * 1024]

/** No vendor takes more pages (Gemini 1 000, Anthropic 600, OpenAI 100), so counting stops here. */
export const maxPdfPages = 1_000

/** What is inflated of a PDF to find its pages: object streams of long documents hold a few megabytes; the limit stops a decompression bomb. */
export const maxPdfInflatedBytes: number = 8 * 1024 * 1024

/** Object streams of a PDF that are searched; each holds a hundred objects or more. */
export const maxObjectStreams = 5_000

/** What a plugin answers as a model; the host of a plugin sends no more than some megabytes. */
export const maxPluginAnswerChars: number = 1024 * 1024
/** Characters of the id of a call of a tool that a plugin gives. */
export const maxToolCallIdChars = 200

/** What a vendor's framing adds to each message, at most. */
export const requestMessageTokens = 8

/** Requests that are held while recorded exchanges are read, because later ones go on from them: mostly the newest one is needed. */
export const maxReadRequestBytes: number = 32 * 1024 * 1024

/** Characters of what a service has heard: ten minutes of speech are about 10 000. */
export const maxHeardChars: number = 256 * 1024

/** Bytes of what a service has spoken: the longest text that is spoken, uncompressed. */
export const maxSpeechBytes: number = 24 * 1024 * 1024
