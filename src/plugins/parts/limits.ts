/** Limits of what plugins add to a guest, with their reasons. */

export { maxPluginMessageChars as maxMessageChars } from '../../protocol/index.ts'
/** An action may call a service on the web and a model; a person waits. */
export const actionTimeoutMs = 120_000
/** Above what a plugin asks for: the user is waiting for the turn to begin. */
export const maxProviderDeadlineMs = 10_000
/** What a host needs in addition to its slowest provider; the first time it also starts. */
export const hostMarginMs = 500
/** Sections that all plugins together add to a context. */
export const maxProvidedChars = 64_000
/** Nobody waits for an evaluator, but its process must not be held for ever. */
export const evaluatorTimeoutMs = 60_000
/** State of turns, for the actions and evaluators that follow the providers. Longer than a turn takes that is not at rest. */
export const stateTtlMs: number = 60 * 60 * 1_000
export const maxStateBytes: number = 16 * 1024 * 1024
/** State of one turn: what does not fit is left out, newest first. */
export const maxTurnStateBytes: number = 256 * 1024
/** A task may fetch and index; nobody waits. */
export const taskTimeoutMs: number = 10 * 60 * 1_000
/** The next event waits for this one. */
export const eventTimeoutMs = 10_000
/** A service connects to something and may try again itself. */
export const serviceTimeoutMs = 30_000
/** Levels of the payload of an event. */
export const maxEventLevels = 16
/** Base64 of a body, of requests and answers: they pass the frames of the host as one. */
export const maxRouteBytes: number = 1_400_000
/** Programs wait for the answer. */
export const routeTimeoutMs = 60_000

/** A hook that has not answered is given up by the kernel before; this ends its request in the host. */
export const hookReplyMs = 2_000
/** Until the host of a plugin with hooks has started, or has said what it has. */
export const maxDescribeMs = 10_000
/** One answer of a model, with all handlers that are tried. */
export const modelTimeoutMs: number = 3 * 60_000
