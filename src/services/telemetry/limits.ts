/** Every limit of telemetry, each with its reason. */

/** Spans that wait for a collector, some 4 MB; older ones are dropped, and counted. The journal has what they say. */
export const maxWaitingSpans = 4_096
/** Spans of one request, as the exporters of OpenTelemetry have it. */
export const spansAtOnce = 512
/** Spans wait so long for others to be sent with. */
export const sendMs = 2_000
/** `OTEL_EXPORTER_OTLP_TIMEOUT` where it is not set. */
export const timeoutMs = 10_000
/** The end of a guest waits so long for a collector: one that hangs costs no more. */
export const closeMs = 1_000
/** Pauses after a request that may be tried again. */
export const firstRetryMs = 1_000
export const maxRetryMs = 60_000
/** Of an answer: it says how many spans were refused, and why. */
export const maxAnswerBytes: number = 64 * 1024
/** Of a request for metrics that counts back to the start of the guest. */
export const maxReadBack = 100_000
export const readPage = 1_000
/** Passages of memory are counted at most so often. */
export const passagesMs = 30_000
