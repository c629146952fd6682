/** Limits on what servers of other makers may send, and how long Oxbow waits for them. */

const kib = 1024
const mib = 1024 * kib

/** From the start of a program to the end of its handshake: `npx`-like wrappers and Python need seconds. */
export const connectTimeoutMs = 20_000
/** Of these the first question to a program in an emulated machine may take so long: Node takes four seconds to start there. */
export const slowProbeMs = 15_000
/** One page of a list. */
export const listTimeoutMs = 10_000
/** Pages of one list; a server that always names a further page ends here. */
export const maxPages = 20
/** Tools of one server: the largest public ones have some hundred. */
export const maxServerTools = 1_000
export const maxServers = 50
/** Resources, templates or prompts of one server. */
export const maxServerItems = 1_000
/** Of them, as a model reads the list at once, and the text of each part of a line. */
export const maxListedItems = 200
export const maxListedChars = 200
/** The longest wait for a change of a resource. */
export const maxWaitS = 3_600
/** How long a list of tools counts as current. Within it a change is noticed by `list_changed` only. */
export const listFreshMs = 60_000

/** One message of a server. A picture of 3 MiB fits. */
export const maxMessageBytes: number = 4 * mib
/** Messages that are handled before other work of this process gets its turn. */
export const messagesPerTurn = 64
/** Messages without a single answer to a request of ours, after which a server counts as one that floods. */
export const maxUnaskedMessages = 20_000
/** Lines that are no message, e.g. of a program that logs to its standard output. */
export const maxStrayLines = 1_000
/** The newest output of a program's standard error that is kept. */
export const maxLogChars: number = 16 * kib

/** So many crashes within this time, and the server is not started again until it is over. */
export const maxCrashes = 3
export const crashWindowMs = 60_000

/** Of a tool, as a model reads it. */
export const maxDescriptionBytes: number = 2 * kib
export const maxSchemaBytes: number = 64 * kib
export const maxSchemaDepth = 32
export const maxToolNameChars = 128
/** Of a tool's name for models, the strictest service: `^[a-zA-Z0-9_-]{1,64}$`. */
export const maxModelNameChars = 64
/** Words of a question of a server, as a person reads them. */
export const maxAskedChars: number = 4 * kib
/** Fields of a form. */
export const maxFormFields = 50
/** Of a reply that a server asks of a model. */
export const maxSampledTokens = 4_000
/** What a server asks of a model, in all. */
export const maxSamplingChars: number = 256 * kib
/** Text of a result; the gate truncates further what a model reads. */
export const maxResultChars: number = 2 * mib
/** Pictures of one result, and the size of each. */
export const maxResultPictures = 4
export const maxPictureBytes: number = 3 * mib
