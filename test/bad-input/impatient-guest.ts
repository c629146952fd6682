/** The real guest with a model client that loses patience soon, so that a test need not wait two minutes for a silent endpoint. */
import { serve } from '../support/serve.ts'

/** An endpoint that answers lives in the process of the test, which on a busy machine stands still for a second. */
const silenceMs = 2_000

await serve({
  modelLimits: { firstByteMs: silenceMs, betweenBytesMs: silenceMs, backoffBaseMs: 1, backoffCapMs: 1, retryAfterCapMs: 1_000 },
})
