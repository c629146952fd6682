/** The real guest with a model client that loses patience soon, so that a test need not wait two minutes for a silent endpoint. */
import { serve } from '../support/serve.ts'

await serve({ modelLimits: { firstByteMs: 500, betweenBytesMs: 500, backoffBaseMs: 1, backoffCapMs: 1, retryAfterCapMs: 1_000 } })
