/** How long a call has waited for hands: a fact of its record, which telemetry turns into a span. */
import type { JsonObject } from '../base/index.ts'
import type { Sandbox } from '../protocol/index.ts'

export interface TimedHands {
  /** @returns the sandbox, whose hands are timed */
  sandbox(sandbox: Sandbox): Sandbox
  /** Fields of the record: requests, milliseconds in all, and from the start of the call to the first of them. Nothing, if hands were not asked. */
  took(): JsonObject
}

/** @param nowMs monotonic */
export function timeHands(nowMs: () => number): TimedHands {
  const began = nowMs()
  let first: number | null = null
  let [requests, ms] = [0, 0]
  const timed = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    const at = nowMs()
    first ??= at - began
    try {
      return await work()
    } finally {
      ms += nowMs() - at
    }
  }
  return {
    sandbox: (sandbox) => ({
      ...sandbox,
      get status() {
        return sandbox.status
      },
      async hands(profile) {
        const hands = await timed(() => sandbox.hands(profile))
        return {
          ask(...request) {
            requests += 1
            return timed(() => hands.ask(...request))
          },
        }
      },
    }),
    took: () => (first === null ? {} : { hands: { requests, ms: Math.round(ms), after: Math.round(first) } }),
  }
}
