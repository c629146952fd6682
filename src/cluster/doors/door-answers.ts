/** What the doors of a node say by themselves, and the headers with which they speak to guests and to each other. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ErrorCode, type Failure, isOxbowError, OxbowError } from '../../base/index.ts'
import type { DoorParts } from '../../gateway/index.ts'

/** For whom a request is: another door says it so, and programs that cannot have a path in their address. */
export const userHeader = 'oxbow-user'

export function refusal(code: ErrorCode, message: string, hint: string, retryAfterS?: number): OxbowError {
  return new OxbowError(code, message, { hint, ...(retryAfterS !== undefined && { data: { retry_after_s: retryAfterS } }) })
}

export interface DoorAnswers {
  refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void
  refuseUpgrade(socket: Duplex, error: unknown): void
}

export function createDoorAnswers({ sendRefusal, sendUpgradeProblem }: DoorParts): DoorAnswers {
  return {
    refuse(request, response, error) {
      if (response.writableEnded) return
      if (response.headersSent) {
        response.destroy()
        return
      }
      const { failure, retryAfterS } = described(error)
      // The status stays 503 where a guest is on its way: programs try those again by themselves.
      if (failure.code === 'guest_unreachable') response.setHeader('retry-after', '1')
      sendRefusal(request, response, failure, retryAfterS)
    },
    refuseUpgrade(socket, error) {
      const { failure, retryAfterS } = described(error)
      sendUpgradeProblem(socket, failure, retryAfterS)
    },
  }
}

function described(error: unknown): { readonly failure: Failure; readonly retryAfterS: number | undefined } {
  const { code, message, hint, data } = isOxbowError(error)
    ? error
    : refusal('internal_failure', 'The door failed.', 'See the output of oxbow cluster join.')
  return { failure: { code, message, hint }, retryAfterS: typeof data['retry_after_s'] === 'number' ? data['retry_after_s'] : undefined }
}
