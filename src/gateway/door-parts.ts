/**
 * What the door of a cluster has in common with the gateway behind it: whom it admits, how it refuses them, and the page. So a stranger is
 * answered the same way by both, and learns nothing from the difference.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Failure } from '../base/index.ts'
import { sendOpenAiError } from './open-ai/asking.ts'
import { sendProblem } from './http/send-json.ts'

export { apiKeyOf, carriesKey, isKeyInAddress, keyInAddress, refuseCookie, refuseSource, refuseToken, takePagePart } from './admission.ts'
export { createBuckets, keyIdCharacters, strangerAddress } from './clients.ts'
export { createWebFiles, type WebFiles } from './http/web-files.ts'
export { usedCode } from './http/web-session.ts'
export { sendUpgradeProblem } from './http/send-json.ts'
export { failuresPerMinute, guessesPerMinute } from './limits.ts'

/** Refuses in the form that whoever asks at this address reads. */
export function sendRefusal(request: IncomingMessage, response: ServerResponse, failure: Failure, retryAfterS?: number): void {
  if (request.url?.startsWith('/v1/') === true) sendOpenAiError({ request, response }, failure, undefined, retryAfterS)
  else sendProblem(response, failure, undefined, retryAfterS)
}
